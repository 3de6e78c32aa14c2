/* SPDX-License-Identifier: MIT
 * A SIP caller and callee for measurements, where SIPp's clock of a millisecond is too coarse: calls
 * at a steady rate, times in microseconds, thousands of calls held up at once. UDP only, one thread.
 * It shares no code with the programs it measures.
 *
 *   sigload uas IP PORT
 *   sigload uac IP PORT TARGET-IP TARGET-PORT RATE CALLS HOLD_MS [silent]
 *
 * The caller prints one JSON object at its end, the callee nothing. The callee answers 180 at once
 * and 200 after 20 ms. Requests are repeated every 500 ms, at most eight times. SIGTERM makes the
 * caller hang up what is up, at its rate, and end; a second one ends it at once. "silent": each
 * call that is answered ends its media by a re-INVITE with port 0 (RFC 3264 8.2), so that it stays up
 * without media ports. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX  4096
#define FIELD_MAX    512
#define RETRY_US     500000
#define RETRIES      8
#define ANSWER_US    20000
#define BURST        64
#define SOCKET_BYTES (4 << 20)

enum call_state { CALL_NEW, CALL_INVITED, CALL_SILENCING, CALL_UP, CALL_ENDING, CALL_OVER, CALL_FAILED };

struct call {
	enum call_state state;
	unsigned tries;
	uint64_t invited_us, ended_us;
	uint64_t ring_us, answer_us, bye_us; /* how long each took; 0: it did not come */
	char to[FIELD_MAX];                  /* with the far tag */
	char target[FIELD_MAX];
	char route[FIELD_MAX];
};

struct caller {
	int fd;
	const char *ip;
	const char *target_ip;
	unsigned port, target_port, hold_ms;
	double rate;
	bool silent, hanging_up;
	uint32_t run; /* makes the identifiers of this run its own */
	size_t count, started, over, failed, peak, repeated;
	struct call *calls;
	uint64_t *due_us; /* of each call, side by side: they are looked at every millisecond */
};

/* An answer that waits for its 20 ms; they leave in the order in which they came. */
struct pending {
	uint64_t due_us;
	struct sockaddr_in peer;
	size_t size;
	char text[MESSAGE_MAX];
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping++;
}

static uint64_t now_us(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000U + (uint64_t)at.tv_nsec / 1000U;
}

static void die(const char *what)
{
	fprintf(stderr, "sigload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in address(const char *ip, unsigned port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, ip, &in.sin_addr) != 1)
		die(ip);
	return in;
}

static int open_socket(const char *ip, unsigned port)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = SOCKET_BYTES;
	struct sockaddr_in in = address(ip, port);

	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		die("bind");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return fd;
}

/* The next line of that name at or behind `from`; its value runs to the line's end. */
static const char *find_line(const char *from, const char *name, size_t *ret_size)
{
	size_t name_size = strlen(name);

	for (const char *line = from; line && *line != '\r'; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncasecmp(line, name, name_size) == 0 && line[name_size] == ':') {
			const char *value = line + name_size + 1;

			while (*value == ' ')
				value++;
			*ret_size = strcspn(value, "\r\n");
			return value;
		}
		if (*line == '\r')
			return NULL;
	}
	return NULL;
}

static void copy_field(const char *text, const char *name, char *into)
{
	size_t size;
	const char *value = find_line(text, name, &size);

	into[0] = '\0';
	if (value && size < FIELD_MAX) {
		memcpy(into, value, size);
		into[size] = '\0';
	}
}

/* Contact's URI without its brackets. */
static void copy_target(const char *text, char *into)
{
	char contact[FIELD_MAX];
	char *open, *close;

	copy_field(text, "Contact", contact);
	open = strchr(contact, '<');
	close = open ? strchr(open, '>') : NULL;
	if (close)
		*close = '\0';
	snprintf(into, FIELD_MAX, "%s", close ? open + 1 : contact);
}

/* One Record-Route is enough for the peers that are measured. */
static void copy_route(const char *text, char *into)
{
	char value[FIELD_MAX];

	copy_field(text, "Record-Route", value);
	into[0] = '\0';
	if (value[0] && strlen(value) + 10 < FIELD_MAX) {
		memcpy(into, "Route: ", 7);
		memcpy(into + 7, value, strlen(value));
		memcpy(into + 7 + strlen(value), "\r\n", 3);
	}
}

static int status_of(const char *text)
{
	return strncmp(text, "SIP/2.0 ", 8) == 0 ? (int)strtol(text + 8, NULL, 10) : 0;
}

/* ---- the caller ---- */

static const char sdp_format[] = "v=0\r\no=load 1 %u IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
				 "m=audio %u RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n"
				 "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
				 "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

/* The second one of a dialog has no media any more. */
static int write_sdp(char *into, size_t cap, bool second, const char *ip)
{
	return snprintf(into, cap, sdp_format, second ? 2u : 1u, ip, ip, second ? 0u : 14000u);
}

static void transmit(struct caller *self, const char *text, size_t size)
{
	struct sockaddr_in to = address(self->target_ip, self->target_port);

	if (sendto(self->fd, text, size, 0, (struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != EAGAIN && errno != ECONNREFUSED)
		die("sendto");
}

static void send_request(struct caller *self, size_t index, const char *method, unsigned cseq)
{
	struct call *call = &self->calls[index];
	bool invite = strcmp(method, "INVITE") == 0;
	char text[MESSAGE_MAX], body[1024] = "", port_text[16];
	int size = 0;

	snprintf(port_text, sizeof(port_text), ":%u>\r\n", self->port);
	if (invite)
		size = write_sdp(body, sizeof(body), cseq > 1, self->ip);
	size = snprintf(
		text, sizeof(text),
		"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%u;branch=z9hG4bKl%x-%zu-%u%s;rport\r\n"
		"Max-Forwards: 70\r\n%sFrom: \"Load\" <sip:+4989%zu@%s:%u>;tag=l%x%zu\r\nTo: %s\r\n"
		"Call-ID: l%x-%zu@%s\r\nCSeq: %u %s\r\n%s%s%s%s%sContent-Length: %d\r\n\r\n%s",
		method, call->target, self->ip, self->port, self->run, index, cseq, method, call->route, index,
		self->ip, self->port, self->run, index, call->to, self->run, index, self->ip, cseq, method,
		invite ? "Contact: <sip:load@" : "", invite ? self->ip : "",
		invite ? port_text : "",
		invite ? "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n" : "",
		invite ? "Content-Type: application/sdp\r\n" : "", size, body);
	if (size > 0 && (size_t)size < sizeof(text))
		transmit(self, text, (size_t)size);
}

static void begin_call(struct caller *self, uint64_t now)
{
	struct call *call = &self->calls[self->started];

	snprintf(call->to, FIELD_MAX, "<sip:+493012345678@%s>", self->target_ip);
	snprintf(call->target, FIELD_MAX, "sip:+493012345678@%s:%u", self->target_ip,
		 self->target_port);
	call->state = CALL_INVITED;
	call->invited_us = now;
	self->due_us[self->started] = now + RETRY_US;
	send_request(self, self->started++, "INVITE", 1);
}

static void on_invite_answer(struct caller *self, size_t index, const char *text, unsigned cseq,
			     uint64_t now)
{
	struct call *call = &self->calls[index];
	int status = status_of(text);

	if (call->state == CALL_INVITED && status == 180 && !call->ring_us)
		call->ring_us = now - call->invited_us;
	if (status > 100 && status < 200)
		self->due_us[index] = now + 30000000U; /* it rings: no repetition (RFC 3261 17.1.1.2) */
	if (status < 200)
		return;
	if (call->state == CALL_SILENCING && status < 300 && cseq == 2) {
		call->state = CALL_UP;
		self->due_us[index] = now + (self->hanging_up ? 0 : (uint64_t)self->hold_ms * 1000U);
	} else if (call->state == CALL_INVITED && status < 300) {
		call->answer_us = now - call->invited_us;
		copy_field(text, "To", call->to);
		copy_target(text, call->target);
		copy_route(text, call->route);
		call->state = self->silent ? CALL_SILENCING : CALL_UP;
		self->due_us[index] = now + RETRY_US;
		if (call->state == CALL_UP)
			self->due_us[index] =
				now + (self->hanging_up ? 0 : (uint64_t)self->hold_ms * 1000U);
	} else if (call->state < CALL_UP) {
		copy_field(text, "To", call->to);
		call->state = CALL_FAILED;
		self->due_us[index] = UINT64_MAX;
		self->failed++;
	}
	send_request(self, index, "ACK", cseq);
	if (call->state == CALL_SILENCING && cseq == 1)
		send_request(self, index, "INVITE", 2);
}

static void on_answer(struct caller *self, const char *text, uint64_t now)
{
	size_t size, index;
	const char *value = find_line(text, "Call-ID", &size);
	const char *dash = value ? memchr(value, '-', size) : NULL;
	const char *cseq = find_line(text, "CSeq", &size);
	struct call *call;

	if (!dash || !cseq || strtoul(value + 1, NULL, 16) != self->run)
		return;
	index = strtoul(dash + 1, NULL, 10);
	if (index >= self->started)
		return;
	call = &self->calls[index];
	if (strstr(cseq, "INVITE") == cseq + 2) {
		on_invite_answer(self, index, text, (unsigned)strtoul(cseq, NULL, 10), now);
	} else if (call->state == CALL_ENDING && status_of(text) >= 200) {
		call->bye_us = now - call->ended_us;
		call->state = CALL_OVER;
		self->due_us[index] = UINT64_MAX;
		self->over++;
	}
}

static void read_answers(struct caller *self)
{
	char text[MESSAGE_MAX + 1];

	for (int n = 0; n < BURST; n++) {
		ssize_t size = recv(self->fd, text, MESSAGE_MAX, 0);

		if (size <= 0)
			return;
		text[size] = '\0';
		on_answer(self, text, now_us());
	}
}

static void on_due(struct caller *self, size_t index, uint64_t now)
{
	struct call *call = &self->calls[index];

	self->due_us[index] = now + RETRY_US;
	if (call->state == CALL_UP) {
		call->state = CALL_ENDING;
		call->tries = 0;
		call->ended_us = now;
		send_request(self, index, "BYE", 3);
	} else if (++call->tries > RETRIES) {
		call->state = CALL_FAILED;
		self->due_us[index] = UINT64_MAX;
		self->failed++;
	} else {
		self->repeated++;
		if (call->state == CALL_ENDING)
			send_request(self, index, "BYE", 3);
		else
			send_request(self, index, "INVITE", call->state == CALL_INVITED ? 1 : 2);
	}
}

/* Looks at all calls that were started and are not over; `first` skips those that are. */
static void run_timers(struct caller *self, size_t *first, uint64_t now)
{
	size_t up = self->started - self->over - self->failed;

	while (*first < self->started && self->due_us[*first] == UINT64_MAX)
		++*first;
	for (size_t n = *first; n < self->started; n++)
		if (self->due_us[n] <= now)
			on_due(self, n, now);
	if (up > self->peak)
		self->peak = up;
}

/* No call begins any more; those that are up end one after the other. */
static void hang_up(struct caller *self, uint64_t now)
{
	self->hanging_up = true;
	self->count = self->started;
	for (size_t n = 0, up = 0; n < self->started; n++)
		if (self->calls[n].state == CALL_UP)
			self->due_us[n] = now + (uint64_t)((double)up++ * 1e6 / self->rate);
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void print_times(const struct caller *self, const char *name, size_t offset)
{
	uint64_t *times = calloc(self->count + 1, sizeof(*times));
	size_t count = 0;

	if (!times)
		die("memory");
	for (size_t n = 0; n < self->count; n++) {
		const char *field = (const char *)&self->calls[n] + offset;
		uint64_t value;

		memcpy(&value, field, sizeof(value));
		if (value)
			times[count++] = value;
	}
	qsort(times, count, sizeof(*times), compare);
	printf(", \"%s\": {\"p50\": %llu, \"p90\": %llu, \"p99\": %llu, \"max\": %llu}", name,
	       (unsigned long long)times[count / 2], (unsigned long long)times[count * 9 / 10],
	       (unsigned long long)times[count * 99 / 100],
	       (unsigned long long)times[count ? count - 1 : 0]);
	free(times);
}

static void run_caller(struct caller *self)
{
	uint64_t begin = now_us(), swept = 0;
	size_t first = 0;

	while (self->over + self->failed < self->count && stopping < 2) {
		struct pollfd poll_fd = { .fd = self->fd, .events = POLLIN };
		uint64_t now = now_us();

		if (stopping && !self->hanging_up)
			hang_up(self, now);
		for (int n = 0; n < BURST && self->started < self->count &&
				(double)(now - begin) * self->rate >= (double)self->started * 1e6;
		     n++)
			begin_call(self, now);
		read_answers(self);
		if (now - swept >= 1000) {
			run_timers(self, &first, now);
			swept = now;
		}
		poll(&poll_fd, 1, 1);
	}
	printf("{\"calls\": %zu, \"ok\": %zu, \"failed\": %zu, \"repeated\": %zu, \"peak\": %zu, "
	       "\"seconds\": %.3f",
	       self->count, self->over, self->failed, self->repeated, self->peak,
	       (double)(now_us() - begin) / 1e6);
	print_times(self, "ring_us", offsetof(struct call, ring_us));
	print_times(self, "answer_us", offsetof(struct call, answer_us));
	print_times(self, "bye_us", offsetof(struct call, bye_us));
	printf("}\n");
}

/* ---- the callee ---- */

static bool in_dialog(const char *request)
{
	size_t size;
	const char *to = find_line(request, "To", &size);

	return to && memmem(to, size, "tag=", 4);
}

static size_t write_answer(char *into, const char *request, const char *status, bool body,
			   const char *ip, unsigned port)
{
	static const char *const echoed[] = { "Via", "Record-Route", "From", "To", "Call-ID", "CSeq" };
	size_t used = (size_t)snprintf(into, MESSAGE_MAX, "SIP/2.0 %s\r\n", status);
	char text[1024] = "";
	int size = body ? write_sdp(text, sizeof(text), in_dialog(request), ip) : 0;

	for (size_t n = 0; n < sizeof(echoed) / sizeof(*echoed); n++) {
		size_t value_size;
		const char *at = request;

		while ((at = find_line(at, echoed[n], &value_size)) && used + value_size < 2800) {
			const char *tag = strcmp(echoed[n], "To") == 0 &&
							  !memmem(at, value_size, "tag=", 4)
						  ? ";tag=callee"
						  : "";

			used += (size_t)snprintf(into + used, MESSAGE_MAX - used, "%s: %.*s%s\r\n",
						 echoed[n], (int)value_size, at, tag);
			at = strchr(at, '\n');
		}
	}
	used += (size_t)snprintf(into + used, MESSAGE_MAX - used,
				 "Contact: <sip:callee@%s:%u>\r\n%sContent-Length: %d\r\n\r\n%s", ip, port,
				 body ? "Content-Type: application/sdp\r\n" : "", size, text);
	return used;
}

struct callee {
	int fd;
	const char *ip;
	unsigned port;
	struct pending *ring; /* a ring of answers that wait */
	size_t ring_size, head, tail;
};

static void on_request(struct callee *self, const char *text, const struct sockaddr_in *peer)
{
	char answer[MESSAGE_MAX];
	size_t size;

	if (strncmp(text, "INVITE ", 7) == 0 && in_dialog(text)) {
		size = write_answer(answer, text, "200 OK", true, self->ip, self->port);
	} else if (strncmp(text, "INVITE ", 7) == 0) {
		struct pending *later = &self->ring[self->tail++ % self->ring_size];

		size = write_answer(answer, text, "180 Ringing", false, self->ip, self->port);
		later->due_us = now_us() + ANSWER_US;
		later->peer = *peer;
		later->size = write_answer(later->text, text, "200 OK", true, self->ip, self->port);
	} else if (strncmp(text, "ACK ", 4) == 0 || strncmp(text, "SIP/2.0", 7) == 0) {
		return;
	} else {
		size = write_answer(answer, text, "200 OK", false, self->ip, self->port);
	}
	sendto(self->fd, answer, size, 0, (const struct sockaddr *)peer, sizeof(*peer));
}

static void run_callee(struct callee *self)
{
	while (!stopping) {
		struct pollfd poll_fd = { .fd = self->fd, .events = POLLIN };
		char text[MESSAGE_MAX + 1];

		poll(&poll_fd, 1, self->head == self->tail ? 50 : 1);
		for (int n = 0; n < BURST; n++) {
			struct sockaddr_in peer;
			socklen_t peer_size = sizeof(peer);
			ssize_t size = recvfrom(self->fd, text, MESSAGE_MAX, 0, (struct sockaddr *)&peer,
						&peer_size);

			if (size <= 0)
				break;
			text[size] = '\0';
			on_request(self, text, &peer);
		}
		while (self->head != self->tail &&
		       self->ring[self->head % self->ring_size].due_us <= now_us()) {
			struct pending *due = &self->ring[self->head++ % self->ring_size];

			sendto(self->fd, due->text, due->size, 0, (struct sockaddr *)&due->peer,
			       sizeof(due->peer));
		}
	}
}

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

static int main_callee(char **argv)
{
	struct callee self = { .ip = argv[2], .port = number(argv[3]), .ring_size = 8192 };

	self.fd = open_socket(self.ip, self.port);
	self.ring = calloc(self.ring_size, sizeof(*self.ring));
	if (!self.ring)
		die("memory");
	run_callee(&self);
	free(self.ring);
	return 0;
}

static int main_caller(char **argv)
{
	struct caller self = { .ip = argv[2], .port = number(argv[3]), .target_ip = argv[4],
			       .target_port = number(argv[5]), .rate = strtod(argv[6], NULL),
			       .count = number(argv[7]), .hold_ms = number(argv[8]),
			       .silent = argv[9] && strcmp(argv[9], "silent") == 0 };

	self.run = (uint32_t)now_us() ^ ((uint32_t)getpid() << 16);
	self.fd = open_socket(self.ip, self.port);
	self.calls = calloc(self.count, sizeof(*self.calls));
	self.due_us = calloc(self.count, sizeof(*self.due_us));
	if (!self.calls || !self.due_us)
		die("memory");
	run_caller(&self);
	free(self.due_us);
	free(self.calls);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (argc == 4 && strcmp(argv[1], "uas") == 0)
		return main_callee(argv);
	if ((argc == 9 || argc == 10) && strcmp(argv[1], "uac") == 0)
		return main_caller(argv);
	fprintf(stderr, "usage: sigload uas IP PORT\n"
			"       sigload uac IP PORT TARGET-IP TARGET-PORT RATE CALLS HOLD_MS [silent]\n");
	return 2;
}
