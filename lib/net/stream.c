/* SPDX-License-Identifier: MIT
 * A stream's two queues: linear buffers that grow by doubling, move their rest to the front when the
 * free part there is the larger one (so each byte moves a bounded number of times), and are let go
 * when empty, so that ten thousand idle connections hold no buffers.
 * lint: owns storage because a stream's unread and unsent bytes live across turns. */
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "lib/net/net.h"

#define FIRST_BYTES 16384u

void net_stream_init(struct net_stream *stream, int fd, size_t out_limit_bytes)
{
	*stream = (struct net_stream){ .fd = fd, .out_limit_bytes = out_limit_bytes };
}

void net_stream_fini(struct net_stream *stream)
{
	free(stream->in);
	free(stream->out);
	if (stream->fd >= 0)
		close(stream->fd);
	*stream = (struct net_stream){ .fd = -1 };
}

/* Makes room for `more` bytes behind *len in the buffer, in all at most `limit`. */
static enum err make_room(char **buffer, size_t *at, size_t *len, size_t *cap, size_t more,
			  size_t limit)
{
	size_t want = *cap ? *cap : FIRST_BYTES;
	char *bigger;

	if (*len - *at + more > limit)
		return ERR_LIMIT;
	if (*cap - *len >= more)
		return OK;
	if (*at >= *len - *at && *cap - (*len - *at) >= more) {
		memcpy(*buffer, *buffer + *at, *len - *at);
		*len -= *at;
		*at = 0;
		return OK;
	}
	while (want < *len - *at + more)
		want *= 2;
	/* As much room again, or the next small piece would move all of it once more. */
	if (want == *cap)
		want *= 2;
	bigger = malloc(want);
	if (!bigger)
		return ERR_NOMEM;
	if (*len > *at)
		memcpy(bigger, *buffer + *at, *len - *at);
	free(*buffer);
	*buffer = bigger;
	*len -= *at;
	*at = 0;
	*cap = want;
	return OK;
}

static void let_go(char **buffer, size_t *at, size_t *len, size_t *cap)
{
	free(*buffer);
	*buffer = NULL;
	*at = *len = *cap = 0;
}

enum err net_stream_read(struct net_stream *stream, size_t max_held)
{
	size_t held = stream->in_len - stream->in_at;
	size_t room;
	enum err err;
	ssize_t got;

	if (held >= max_held)
		return ERR_LIMIT;
	room = max_held - held < FIRST_BYTES ? max_held - held : FIRST_BYTES;
	err = make_room(&stream->in, &stream->in_at, &stream->in_len, &stream->in_cap, room,
			max_held);
	if (err != OK)
		return err;
	room = stream->in_cap - stream->in_len;
	if (room > max_held - held)
		room = max_held - held;
	got = recv(stream->fd, stream->in + stream->in_len, room, MSG_DONTWAIT);
	if (got > 0) {
		stream->in_len += (size_t)got;
		return OK;
	}
	err = got == 0 ? ERR_CLOSED
		       : errno == EAGAIN || errno == EINTR ? ERR_AGAIN : err_from_errno();
	if (held == 0)
		let_go(&stream->in, &stream->in_at, &stream->in_len, &stream->in_cap);
	return err;
}

struct slice net_stream_input(const struct net_stream *stream)
{
	return slice_of(stream->in ? stream->in + stream->in_at : "",
			stream->in_len - stream->in_at);
}

void net_stream_consume(struct net_stream *stream, size_t len)
{
	ensure(len <= stream->in_len - stream->in_at);
	stream->in_at += len;
	if (stream->in_at == stream->in_len && stream->in)
		let_go(&stream->in, &stream->in_at, &stream->in_len, &stream->in_cap);
}

enum err net_stream_write(struct net_stream *stream, struct slice bytes)
{
	enum err err;

	if (bytes.len == 0)
		return OK;
	err = make_room(&stream->out, &stream->out_at, &stream->out_len, &stream->out_cap,
			bytes.len, stream->out_limit_bytes);
	if (err != OK)
		return err;
	memcpy(stream->out + stream->out_len, bytes.p, bytes.len);
	stream->out_len += bytes.len;
	stream->queued_bytes += bytes.len;
	return OK;
}

enum err net_stream_flush(struct net_stream *stream)
{
	while (net_stream_pending(stream)) {
		ssize_t sent = send(stream->fd, stream->out + stream->out_at,
				    stream->out_len - stream->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? ERR_AGAIN : err_from_errno();
		stream->out_at += (size_t)sent;
		stream->written_bytes += (uint64_t)sent;
	}
	if (stream->out)
		let_go(&stream->out, &stream->out_at, &stream->out_len, &stream->out_cap);
	return OK;
}

uint64_t net_stream_taken(const struct net_stream *stream)
{
	int waiting = 0;

	if (ioctl(stream->fd, SIOCOUTQ, &waiting) < 0)
		return stream->written_bytes;
	/* A FIN of ours counts as a byte. */
	return (uint64_t)waiting < stream->written_bytes ? stream->written_bytes - (uint64_t)waiting : 0;
}
