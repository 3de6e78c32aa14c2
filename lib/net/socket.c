/* SPDX-License-Identifier: MIT
 * Making sockets. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "lib/net/net.h"

#define RECEIVE_BUFFER_BYTES (4u * 1024 * 1024)
#define LISTEN_BACKLOG 4096
/* A peer that is gone without a FIN: unacknowledged data fails the stream after this time, and an
 * idle one is probed. */
#define TCP_DEAD_MS 30000
#define TCP_PROBE_IDLE_S 60
#define TCP_PROBE_EVERY_S 10
#define TCP_PROBES 3

static bool set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static enum err close_with_errno(int fd)
{
	enum err err = err_from_errno();

	close(fd);
	return err;
}

static int open_socket(uint8_t family, int type)
{
	int fd = socket(family == IP_V6 ? AF_INET6 : AF_INET,
			type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && family == IP_V6 && !set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool bind_to(int fd, const struct endpoint *local)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(local, &sa);

	return bind(fd, (const struct sockaddr *)&sa, len) == 0;
}

static bool set_udp_options(int fd, uint8_t family, const struct net_udp_options *options)
{
	int level = family == IP_V6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int buffer = (int)(options->receive_buffer_bytes ? options->receive_buffer_bytes
							 : RECEIVE_BUFFER_BYTES);

	/* Without the right to force it, as much as net.core.rmem_max allows. */
	if (!set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, buffer) &&
	    !set_int(fd, SOL_SOCKET, SO_RCVBUF, buffer))
		return false;
	if (options->dscp &&
	    !set_int(fd, level, family == IP_V6 ? IPV6_TCLASS : IP_TOS, options->dscp << 2))
		return false;
	if (options->reuse_port && !set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1))
		return false;
	return set_int(fd, level, family == IP_V6 ? IPV6_RECVERR : IP_RECVERR, 1);
}

enum err net_udp_open(const struct endpoint *local, const struct net_udp_options *options,
		      int *ret_fd)
{
	int fd = open_socket(local->ip.family, SOCK_DGRAM);

	if (fd < 0)
		return err_from_errno();
	if (!set_udp_options(fd, local->ip.family, options) || !bind_to(fd, local))
		return close_with_errno(fd);
	*ret_fd = fd;
	return OK;
}

enum err net_local(int fd, struct endpoint *ret)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return err_from_errno();
	return endpoint_from_sockaddr(&sa, ret);
}

enum err net_tcp_listen(const struct endpoint *local, bool reuse_port, int *ret_fd)
{
	int fd = open_socket(local->ip.family, SOCK_STREAM);

	if (fd < 0)
		return err_from_errno();
	if (!set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
	    (reuse_port && !set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1)) || !bind_to(fd, local) ||
	    listen(fd, LISTEN_BACKLOG) < 0)
		return close_with_errno(fd);
	*ret_fd = fd;
	return OK;
}

/* These are improvements: a stream works without them. */
static void tune_stream(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_DEAD_MS);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, TCP_PROBE_IDLE_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, TCP_PROBE_EVERY_S);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, TCP_PROBES);
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

enum err net_tcp_accept(int fd, int *ret_fd, struct endpoint *ret_remote)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	int accepted = accept4(fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	enum err err;

	/* accept(2): errors of a connection that died while it waited are those of no connection. */
	if (accepted < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM
			       ? err_from_errno()
			       : ERR_AGAIN;
	err = endpoint_from_sockaddr(&sa, ret_remote);
	if (err != OK) {
		close(accepted);
		return err;
	}
	tune_stream(accepted);
	*ret_fd = accepted;
	return OK;
}

enum err net_tcp_connect(const struct ip_addr *local, const struct endpoint *remote, int *ret_fd)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(remote, &sa);
	int fd = open_socket(remote->ip.family, SOCK_STREAM);

	if (fd < 0)
		return err_from_errno();
	tune_stream(fd);
	if (local && local->family == remote->ip.family) {
		const struct endpoint source = { .ip = *local };

		/* The port is chosen at connect, when it only has to be unique for this peer. */
		set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		if (!bind_to(fd, &source))
			return close_with_errno(fd);
	}
	if (connect(fd, (const struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)
		return close_with_errno(fd);
	*ret_fd = fd;
	return OK;
}

enum err net_tcp_connected(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return err_from_errno();
	return (enum err)(-error);
}
