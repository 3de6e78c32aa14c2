/* SPDX-License-Identifier: MIT
 * Datagrams in batches. What makes it hard: with IP_RECVERR an ICMP error of one destination is also
 * reported, once, by the next call on the socket, whatever that call was about. So an error of a call
 * first empties the error queue, which names the true destination, and the call is tried again. */
#include <errno.h>
#include <time.h>
/* It needs struct timespec and does not include it. */
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "lib/base/ensure.h"
#include "lib/net/net.h"

#define QUEUE_DATAGRAMS 256u
#define QUEUE_BYTES (512u * 1024)
#define UDP_MAX_BYTES 65507u
#define SEND_TRIES 4 /* of one datagram; the others report errors of other destinations */

/* Both objects are maps of zero pages: memory is taken when a page is first written. */
static void *map_pages(size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return map == MAP_FAILED ? NULL : map;
}

/* ---- receiving ---- */

struct net_batch {
	struct mmsghdr headers[NET_BATCH];
	struct iovec vectors[NET_BATCH];
	struct sockaddr_storage sources[NET_BATCH];
	struct net_datagram datagrams[NET_BATCH];
	char bytes[NET_BATCH][NET_DATAGRAM_BYTES];
};

enum err net_batch_create(struct net_batch **ret)
{
	struct net_batch *batch = map_pages(sizeof(*batch));

	if (!batch)
		return ERR_NOMEM;
	for (unsigned i = 0; i < NET_BATCH; i++) {
		batch->vectors[i] = (struct iovec){ batch->bytes[i], NET_DATAGRAM_BYTES };
		batch->headers[i].msg_hdr.msg_iov = &batch->vectors[i];
		batch->headers[i].msg_hdr.msg_iovlen = 1;
		batch->headers[i].msg_hdr.msg_name = &batch->sources[i];
	}
	*ret = batch;
	return OK;
}

void net_batch_destroy(struct net_batch **batch)
{
	if (*batch)
		munmap(*batch, sizeof(**batch));
	*batch = NULL;
}

unsigned net_receive(struct net_batch *batch, int fd)
{
	unsigned kept = 0;
	int count;

	for (unsigned i = 0; i < NET_BATCH; i++)
		batch->headers[i].msg_hdr.msg_namelen = sizeof(batch->sources[i]);
	count = recvmmsg(fd, batch->headers, NET_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) {
		struct net_datagram *datagram = &batch->datagrams[kept];

		if (endpoint_from_sockaddr(&batch->sources[i], &datagram->remote) != OK)
			continue;
		datagram->bytes = slice_of(batch->bytes[i], batch->headers[i].msg_len);
		kept++;
	}
	return kept;
}

const struct net_datagram *net_datagram(const struct net_batch *batch, unsigned index)
{
	ensure(index < NET_BATCH);
	return &batch->datagrams[index];
}

/* ---- sending ---- */

struct net_queue {
	int fd;
	net_failure_fn *on_failure;
	void *owner;
	unsigned count;
	size_t used_bytes;
	uint64_t dropped;
	bool flushing;
	struct mmsghdr headers[QUEUE_DATAGRAMS];
	struct iovec vectors[QUEUE_DATAGRAMS];
	struct sockaddr_storage targets[QUEUE_DATAGRAMS];
	uint64_t tags[QUEUE_DATAGRAMS];
	char bytes[QUEUE_BYTES];
};

enum err net_queue_create(int fd, net_failure_fn *on_failure, void *owner, struct net_queue **ret)
{
	struct net_queue *queue = map_pages(sizeof(*queue));

	if (!queue)
		return ERR_NOMEM;
	queue->fd = fd;
	queue->on_failure = on_failure;
	queue->owner = owner;
	*ret = queue;
	return OK;
}

void net_queue_destroy(struct net_queue **queue)
{
	if (*queue)
		munmap(*queue, sizeof(**queue));
	*queue = NULL;
}

uint64_t net_queue_dropped(const struct net_queue *queue)
{
	return queue->dropped;
}

enum err net_queue_add(struct net_queue *queue, const struct endpoint *remote, struct slice bytes,
		       uint64_t tag)
{
	unsigned at;
	char *copy;

	if (bytes.len > UDP_MAX_BYTES)
		return ERR_LIMIT;
	if (queue->count == QUEUE_DATAGRAMS || QUEUE_BYTES - queue->used_bytes < bytes.len)
		net_queue_flush(queue);
	/* Still full: a failure callback of the very flush filled it. */
	if (queue->count == QUEUE_DATAGRAMS || QUEUE_BYTES - queue->used_bytes < bytes.len) {
		queue->dropped++;
		return OK;
	}
	at = queue->count++;
	copy = queue->bytes + queue->used_bytes;
	memcpy(copy, bytes.p, bytes.len);
	queue->used_bytes += bytes.len;
	queue->vectors[at] = (struct iovec){ copy, bytes.len };
	queue->tags[at] = tag;
	queue->headers[at].msg_hdr = (struct msghdr){
		.msg_name = &queue->targets[at],
		.msg_namelen = endpoint_to_sockaddr(remote, &queue->targets[at]),
		.msg_iov = &queue->vectors[at],
		.msg_iovlen = 1,
	};
	return OK;
}

static void tell_local_failure(struct net_queue *queue, unsigned at, enum err err)
{
	struct net_send_failure failure = { .tag = queue->tags[at], .err = err };

	failure.bytes = slice_of(queue->vectors[at].iov_base, queue->vectors[at].iov_len);
	if (endpoint_from_sockaddr(&queue->targets[at], &failure.remote) == OK)
		queue->on_failure(queue->owner, &failure);
}

/* The datagram at `at` did not go. Returns true when the next one should be tried. */
static bool handle_send_error(struct net_queue *queue, unsigned at, unsigned tries)
{
	enum err err = err_from_errno();

	if (errno == EAGAIN || errno == ENOBUFS)
		return false;
	if (errno == EINTR)
		return true;
	net_udp_errors(queue);
	if (tries < SEND_TRIES)
		return true;
	tell_local_failure(queue, at, err);
	return true;
}

/* Callbacks may add datagrams while this runs: they stand behind the others and leave too. */
void net_queue_flush(struct net_queue *queue)
{
	unsigned at = 0;
	unsigned tries = 0;

	if (queue->flushing)
		return;
	queue->flushing = true;
	while (at < queue->count) {
		int sent = sendmmsg(queue->fd, queue->headers + at, queue->count - at, MSG_DONTWAIT);

		if (sent > 0) {
			at += (unsigned)sent;
			tries = 0;
		} else if (!handle_send_error(queue, at, ++tries)) {
			queue->dropped += queue->count - at;
			break;
		} else if (tries >= SEND_TRIES) {
			at++;
			tries = 0;
		}
	}
	queue->count = 0;
	queue->used_bytes = 0;
	queue->flushing = false;
}

/* ---- ICMP errors ---- */

static const struct sock_extended_err *find_extended(struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			return (const void *)CMSG_DATA(c);
	return NULL;
}

void net_udp_errors(struct net_queue *queue)
{
	struct net_send_failure failure = { .icmp = true };
	struct sockaddr_storage sa;
	char control[512];
	char bytes[2048];
	struct iovec vector = { bytes, sizeof(bytes) };

	for (unsigned i = 0; i < NET_BATCH; i++) {
		struct msghdr header = { .msg_name = &sa, .msg_namelen = sizeof(sa),
					 .msg_iov = &vector, .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = sizeof(control) };
		ssize_t len = recvmsg(queue->fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT);
		const struct sock_extended_err *extended;

		if (len < 0)
			return;
		extended = find_extended(&header);
		if (!extended || endpoint_from_sockaddr(&sa, &failure.remote) != OK)
			continue;
		failure.err = (enum err)(-(int)extended->ee_errno);
		failure.bytes = slice_of(bytes, (size_t)len);
		queue->on_failure(queue->owner, &failure);
	}
}
