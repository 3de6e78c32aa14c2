/* SPDX-License-Identifier: MIT
 * What sealing and opening a packet of G.711 (172 bytes) costs: our transform on the libraries of
 * ciphers that it knows, and libsrtp2's, with one session and with a thousand in turn. Not a test: prints a line of figures for each, in ns of CPU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/ensure.h"
#include "media-relay/srtp/srtp.h"
#include "tests/support/reference_srtp.h"

#define SESSIONS_MAX 1000u
#define BATCH 1000u
#define PACKET_BYTES 172u
#define OUR_BATCHES 300u
#define THEIR_BATCHES 60u

struct end {
	struct srtp *sender, *receiver;
	struct reference *their_sender, *their_receiver;
	uint16_t sequence;
};

struct bench {
	struct srtp_engine engine;
	struct end ends[SESSIONS_MAX];
	unsigned char packets[BATCH][PACKET_BYTES + 64];
	size_t lens[BATCH];
	unsigned sessions;
	bool theirs;
};

struct cost {
	double seal_ns;
	double open_ns;
};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void end_open(struct bench *b, struct end *end, enum ctl_srtp_suite suite, unsigned number)
{
	char key[46] = "a key of enough bytes";
	struct ctl_srtp_crypto crypto = { .suite = (uint8_t)suite };

	memcpy(key + 20, &number, sizeof(number));
	crypto.key = slice_of(key, srtp_master_key_bytes(suite) + srtp_master_salt_bytes(suite));
	*end = (struct end){ .sequence = 1 };
	if (b->theirs) {
		end->their_sender = reference_create(&crypto, true);
		end->their_receiver = reference_create(&crypto, false);
		return;
	}
	end->sender = srtp_create(&b->engine);
	end->receiver = srtp_create(&b->engine);
	ensure(end->sender && end->receiver);
	ensure(srtp_set_send(end->sender, &crypto) == OK);
	ensure(srtp_set_receive(end->receiver, &crypto, 1, 0) == OK);
}

static void end_close(const struct bench *b, struct end *end)
{
	if (b->theirs) {
		reference_destroy(end->their_sender);
		reference_destroy(end->their_receiver);
		return;
	}
	srtp_destroy(&end->sender);
	srtp_destroy(&end->receiver);
}

static void fill(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct end *end = &b->ends[i % b->sessions];
		unsigned char *p = b->packets[i];

		memset(p, 0x55, PACKET_BYTES);
		memcpy(p, (unsigned char[]){ 0x80, 0, (unsigned char)(end->sequence >> 8),
					     (unsigned char)end->sequence, 0, 0, 0, 1, 0, 0, 0, 7 },
		       12);
		end->sequence++;
	}
}

static void seal_all(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct end *end = &b->ends[i % b->sessions];

		ensure(b->theirs ? reference_protect(end->their_sender, false, b->packets[i],
						     PACKET_BYTES, &b->lens[i])
				 : srtp_protect(end->sender, false, b->packets[i], PACKET_BYTES,
						&b->lens[i]) == SRTP_OK);
	}
}

static void open_all(struct bench *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct end *end = &b->ends[i % b->sessions];

		ensure(b->theirs ? reference_unprotect(end->their_receiver, false, b->packets[i],
						       b->lens[i], &b->lens[i])
				 : srtp_unprotect(end->receiver, false, b->packets[i], b->lens[i], 0,
						  &b->lens[i]) == SRTP_OK);
	}
}

static struct cost measure(struct bench *b, enum ctl_srtp_suite suite, unsigned sessions,
			   bool theirs)
{
	unsigned batches = theirs ? THEIR_BATCHES : OUR_BATCHES;
	struct cost cost = { 0, 0 };
	double at;

	b->sessions = sessions;
	b->theirs = theirs;
	for (unsigned i = 0; i < sessions; i++)
		end_open(b, &b->ends[i], suite, i);
	for (unsigned i = 0; i < batches; i++) {
		fill(b);
		at = now_ns();
		seal_all(b);
		cost.seal_ns += now_ns() - at;
		at = now_ns();
		open_all(b);
		cost.open_ns += now_ns() - at;
	}
	for (unsigned i = 0; i < sessions; i++)
		end_close(b, &b->ends[i]);
	cost.seal_ns /= batches * BATCH;
	cost.open_ns /= batches * BATCH;
	return cost;
}

int main(void)
{
	static const enum ctl_srtp_suite suites[] = {
		CTL_SRTP_AES_CM_128_HMAC_SHA1_80, CTL_SRTP_AES_256_CM_HMAC_SHA1_80,
		CTL_SRTP_AEAD_AES_128_GCM, CTL_SRTP_AEAD_AES_256_GCM };
	static const unsigned counts[] = { 1, SESSIONS_MAX };
	static const char *const libraries[] = { "ipsec-mb", "OpenSSL", "libsrtp2" };
	struct bench *b = calloc(1, sizeof(*b));
	bool judged = reference_load();

	ensure(b);
	for (size_t i = 0; i < array_size(suites) * array_size(counts) * array_size(libraries); i++) {
		const char *library = libraries[i % array_size(libraries)];
		bool theirs = strcmp(library, "libsrtp2") == 0;
		enum ctl_srtp_suite suite = suites[i / array_size(libraries) / array_size(counts)];
		unsigned sessions = counts[i / array_size(libraries) % array_size(counts)];
		struct cost cost;

		if (theirs ? !judged
			   : srtp_engine_init_by(&b->engine, 2 * SESSIONS_MAX, library) != OK)
			continue;
		cost = measure(b, suite, sessions, theirs);
		printf("%s %s %u %.0f %.0f\n", library, srtp_suite_name(suite), sessions,
		       cost.seal_ns, cost.open_ns);
		fflush(stdout);
		if (!theirs)
			srtp_engine_fini(&b->engine);
	}
	free(b);
	return 0;
}
