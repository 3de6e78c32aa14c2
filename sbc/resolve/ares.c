/* SPDX-License-Identifier: MIT
 * The only file that speaks with c-ares: its sockets and timeouts on our loop, questions in, raw
 * answers out. /etc/hosts goes before the name servers, as everywhere. */
#include <errno.h>
#include <netdb.h>

#include "sbc/resolve/resolve_priv.h"

#define TRY_MS    800
#define TRIES     2
#define UDP_BYTES 1232 /* EDNS: what passes every network unfragmented */
#define CLASS_IN  1
#define HOSTS_MAX 8u

static void arm(struct resolver *resolver)
{
	struct timeval tv;

	if (ares_timeout(resolver->channel, NULL, &tv))
		loop_timer_start(resolver->config.loop, &resolver->ares_timer,
				 (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1);
	else
		loop_timer_stop(resolver->config.loop, &resolver->ares_timer);
}

static void on_io(struct loop *loop, void *owner, uint32_t events)
{
	struct dns_socket *sock = owner;
	struct resolver *resolver = sock->resolver;
	ares_socket_t fd = sock->io.fd;

	(void)loop;
	ares_process_fd(resolver->channel,
			events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? fd : ARES_SOCKET_BAD,
			events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	arm(resolver);
	resolver_progress(resolver);
}

static void on_timer(struct loop *loop, void *owner)
{
	struct resolver *resolver = owner;

	(void)loop;
	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(resolver);
	resolver_progress(resolver);
}

static struct dns_socket *socket_find(struct resolver *resolver, int fd)
{
	struct dns_socket *unused = NULL;

	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		struct dns_socket *sock = &resolver->sockets[i];

		if (sock->used && sock->io.fd == fd)
			return sock;
		if (!sock->used)
			unused = sock;
	}
	return unused;
}

/* A socket that cannot be watched stays silent, which the library's timeouts take care of. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = data;
	struct dns_socket *sock = socket_find(resolver, fd);
	uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);

	if (!sock)
		return;
	if (events == 0) {
		if (sock->used)
			loop_forget(resolver->config.loop, &sock->io);
		sock->used = false;
		return;
	}
	if (!sock->used)
		sock->io = (struct loop_io){ .fd = fd, .fn = on_io, .owner = sock };
	sock->resolver = resolver;
	sock->used = loop_watch(resolver->config.loop, &sock->io, events) == OK;
}

enum err channel_create(struct resolver *resolver)
{
	struct ares_options options = {
		.flags = ARES_FLAG_EDNS,
		.timeout = TRY_MS,
		.tries = TRIES,
		.ednspsz = UDP_BYTES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = resolver,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
		   ARES_OPT_SOCK_STATE_CB;
	int status;

	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return ERR_NOMEM;
	resolver->ares_timer.fn = on_timer;
	resolver->ares_timer.owner = resolver;
	status = ares_init_options(&resolver->channel, &options, mask);
	if (status == ARES_SUCCESS && resolver->config.servers)
		status = ares_set_servers_ports_csv(resolver->channel, resolver->config.servers);
	if (status == ARES_SUCCESS)
		return OK;
	if (resolver->channel)
		ares_destroy(resolver->channel);
	ares_library_cleanup();
	return status == ARES_ENOMEM ? ERR_NOMEM : ERR_SYNTAX;
}

void channel_destroy(struct resolver *resolver)
{
	loop_timer_stop(resolver->config.loop, &resolver->ares_timer);
	ares_destroy(resolver->channel);
	ares_library_cleanup();
}

/* A server's SERVFAIL or REFUSED comes out of the library as a refused connection. */
static enum err failure_of(int status)
{
	if (status == ARES_ETIMEOUT)
		return (enum err)(-ETIMEDOUT);
	return status == ARES_ENOMEM ? ERR_NOMEM : ERR_REFUSED;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	struct entry *entry = arg;

	(void)timeouts;
	if (entry->resolver->closing)
		return;
	if (bytes && len > 0 &&
	    (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND))
		entry_answered(entry, slice_of((const char *)bytes, (size_t)len));
	else
		entry_failed(entry, failure_of(status));
}

static size_t hosts_read(struct resolver *resolver, const char *name, int family,
			 struct ip_addr *ret_ips)
{
	struct hostent *host = NULL;
	size_t count = 0;

	if (ares_gethostbyname_file(resolver->channel, name, family, &host) != ARES_SUCCESS)
		return 0;
	for (; host->h_addr_list[count] && count < HOSTS_MAX; count++) {
		ret_ips[count] = (struct ip_addr){ .family = family == AF_INET ? IP_V4 : IP_V6 };
		memcpy(ret_ips[count].bytes, host->h_addr_list[count], family == AF_INET ? 4 : 16);
	}
	ares_free_hostent(host);
	return count;
}

/* "_sip._udp.pbx" is about pbx. */
static const char *host_of(const char *name)
{
	while (name[0] == '_' && strchr(name, '.'))
		name = strchr(name, '.') + 1;
	return name;
}

/* A name that stands in the file has what stands there, and nothing else: no services, no addresses
 * of the other family. The file is read now: a page of memory, once for each name and TTL. */
static bool from_hosts(struct resolver *resolver, struct entry *entry)
{
	const char *name = host_of(entry->name);
	struct ip_addr v4[HOSTS_MAX];
	struct ip_addr v6[HOSTS_MAX];
	size_t v4_count = hosts_read(resolver, name, AF_INET, v4);
	size_t v6_count = hosts_read(resolver, name, AF_INET6, v6);

	if (v4_count + v6_count == 0)
		return false;
	if (entry->type == DNS_A)
		entry_known_address(entry, v4, v4_count);
	else
		entry_known_address(entry, v6, entry->type == DNS_AAAA ? v6_count : 0);
	return true;
}

void channel_query(struct resolver *resolver, struct entry *entry)
{
	if (from_hosts(resolver, entry))
		return;
	ares_query(resolver->channel, entry->name, CLASS_IN, (int)entry->type, on_answer, entry);
	arm(resolver);
}
