/* SPDX-License-Identifier: MIT
 * lint: owns storage because frames and rings live as long as the relay. */
#include "media-relay/fastpath/umem.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_XDP
#define SOL_XDP 283
#endif

#define SEND_BUFFER_BYTES (16 << 20) /* what may be on its way out of one socket */

/* ---- rings ---- */

static enum err ring_map(int fd, struct fast_ring *ring, const struct xdp_ring_offset *offset,
			 size_t entry_bytes, off_t page)
{
	size_t bytes = offset->desc + ring->size * entry_bytes;
	unsigned char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
				  page);

	if (map == MAP_FAILED)
		return err_from_errno();
	ring->map = map;
	ring->map_bytes = bytes;
	ring->producer = (uint32_t *)(void *)(map + offset->producer);
	ring->consumer = (uint32_t *)(void *)(map + offset->consumer);
	ring->entries = map + offset->desc;
	return OK;
}

static void ring_unmap(struct fast_ring *ring)
{
	if (ring->map)
		munmap(ring->map, ring->map_bytes);
	ring->map = NULL;
}

static enum err ring_size(int fd, int which, struct fast_ring *ring, uint32_t size)
{
	ring->size = size;
	return setsockopt(fd, SOL_XDP, which, &ring->size, sizeof(ring->size)) < 0 ?
		       err_from_errno() :
		       OK;
}

/* ---- sockets ---- */

/* The first socket of a queue has its rings too. */
static enum err socket_rings(struct fast_socket *socket, bool first)
{
	struct xdp_mmap_offsets offsets;
	socklen_t len = sizeof(offsets);
	struct fast_queue *queue = socket->queue;
	enum err err = ring_size(socket->fd, XDP_RX_RING, &socket->receive, RING_ENTRIES);

	if (err == OK)
		err = ring_size(socket->fd, XDP_TX_RING, &socket->transmit, RING_ENTRIES);
	if (err == OK && first)
		err = ring_size(socket->fd, XDP_UMEM_FILL_RING, &queue->fill, RING_ENTRIES);
	if (err == OK && first)
		err = ring_size(socket->fd, XDP_UMEM_COMPLETION_RING, &queue->done, DONE_ENTRIES);
	if (err != OK)
		return err;
	if (getsockopt(socket->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len) < 0)
		return err_from_errno();
	err = ring_map(socket->fd, &socket->receive, &offsets.rx, sizeof(struct xdp_desc),
		       XDP_PGOFF_RX_RING);
	if (err == OK)
		err = ring_map(socket->fd, &socket->transmit, &offsets.tx, sizeof(struct xdp_desc),
			       (off_t)XDP_PGOFF_TX_RING);
	if (err == OK && first)
		err = ring_map(socket->fd, &queue->fill, &offsets.fr, sizeof(uint64_t),
			       (off_t)XDP_UMEM_PGOFF_FILL_RING);
	if (err == OK && first)
		err = ring_map(socket->fd, &queue->done, &offsets.cr, sizeof(uint64_t),
			       (off_t)XDP_UMEM_PGOFF_COMPLETION_RING);
	return err;
}

static enum err umem_register(const struct fast_umem *umem, int fd)
{
	struct xdp_umem_reg area = { .addr = (uint64_t)(uintptr_t)umem->area,
				     .len = umem->bytes,
				     .chunk_size = FRAME_BYTES };

	return setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &area, sizeof(area)) < 0 ? err_from_errno() :
										OK;
}

/* The very first one brings the area; the first of a queue shares that, with rings of its own; the
 * other lanes share all with it. Frames are copied: not every driver lends its own. */
static enum err socket_bind(const struct fastpath *fastpath, uint32_t number)
{
	const struct fast_umem *umem = fastpath->umem;
	const struct fast_socket *socket = &umem->sockets[number];
	uint32_t sharer = number % fastpath->lanes == 0 ? 0 : number - number % fastpath->lanes;
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = number == 0 ? XDP_COPY | XDP_USE_NEED_WAKEUP : XDP_SHARED_UMEM,
		.sxdp_ifindex = fastpath->interfaces[socket->queue->interface].ifindex,
		.sxdp_queue_id = socket->queue->number,
		.sxdp_shared_umem_fd = number == 0 ? 0 : (uint32_t)umem->sockets[sharer].fd,
	};

	return bind(socket->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ?
		       err_from_errno() :
		       OK;
}

static enum err socket_open(const struct fastpath *fastpath, uint32_t number)
{
	struct fast_umem *umem = fastpath->umem;
	struct fast_socket *it = &umem->sockets[number];
	int send_bytes = SEND_BUFFER_BYTES;
	enum err err = OK;

	it->queue = &umem->queues[number / fastpath->lanes];
	it->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (it->fd < 0)
		return err_from_errno();
	if (setsockopt(it->fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_bytes, sizeof(send_bytes)) < 0)
		(void)setsockopt(it->fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes));
	if (number == 0)
		err = umem_register(umem, it->fd);
	if (err == OK)
		err = socket_rings(it, number % fastpath->lanes == 0);
	if (err == OK)
		err = socket_bind(fastpath, number);
	if (err == OK && bpf_map_update_elem(fastpath->rings_fd, &number, &it->fd, BPF_ANY) < 0)
		err = err_from_errno();
	return err;
}

/* ---- queues ---- */

static uint32_t queue_count(const struct fast_interface *interface)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq request = { .ifr_flags = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t count = 1;

	memcpy(request.ifr_name, interface->name, sizeof(interface->name));
	request.ifr_data = (void *)&channels;
	/* A driver that cannot say has one. */
	if (fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0)
		count = channels.rx_count + channels.combined_count;
	if (fd >= 0)
		close(fd);
	return count == 0 ? 1 : count > QUEUES_MAX ? QUEUES_MAX : count;
}

/* The queues of all interfaces in a row, and the program told where each interface's begin. */
static enum err queues_lay_out(struct fastpath *fastpath)
{
	struct fast_umem *umem = fastpath->umem;

	umem->queues = calloc(fastpath->interface_count * QUEUES_MAX, sizeof(*umem->queues));
	if (!umem->queues)
		return ERR_NOMEM;
	for (size_t i = 0; i < fastpath->interface_count; i++) {
		uint32_t count = queue_count(&fastpath->interfaces[i]);
		struct fast_ring_base base = { .first = umem->queue_count * fastpath->lanes,
					       .lanes = fastpath->lanes,
					       .queues = count };

		for (uint32_t q = 0; q < count; q++)
			umem->queues[umem->queue_count++] =
				(struct fast_queue){ .interface = i, .number = q };
		if (bpf_map_update_elem(fastpath->bases_fd, &fastpath->interfaces[i].ifindex, &base,
					BPF_ANY) < 0)
			return err_from_errno();
	}
	umem->socket_count = umem->queue_count * fastpath->lanes;
	return umem->socket_count > FAST_RINGS_MAX ? ERR_LIMIT : OK;
}

static uint32_t frames_per_queue(uint32_t queues)
{
	uint32_t share = FRAMES_MAX / queues;

	return share > FRAMES_PER_QUEUE ? FRAMES_PER_QUEUE :
	       share < FRAMES_LEAST	? FRAMES_LEAST :
					  share;
}

static enum err frames_make(struct fast_umem *umem)
{
	uint32_t each = frames_per_queue(umem->queue_count);
	uint32_t count = umem->queue_count * each;

	umem->fill_max = each / 2 < RING_ENTRIES ? each / 2 : RING_ENTRIES;
	umem->bytes = (size_t)count * FRAME_BYTES;
	umem->area = mmap(NULL, umem->bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (umem->area == MAP_FAILED) {
		umem->area = NULL;
		return ERR_NOMEM;
	}
	umem->free = calloc(count, sizeof(*umem->free));
	umem->sockets = calloc(umem->socket_count, sizeof(*umem->sockets));
	if (!umem->free || !umem->sockets)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < umem->socket_count; i++)
		umem->sockets[i].fd = -1;
	while (umem->free_count < count) {
		umem->free[umem->free_count] = (uint64_t)umem->free_count * FRAME_BYTES;
		umem->free_count++;
	}
	return OK;
}

/* Root needs no leave to lock memory, but may have lost that right. */
static void may_lock_memory(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &limit);
}

enum err umem_create(struct fastpath *fastpath, const char **ret_why)
{
	struct fast_umem *umem = calloc(1, sizeof(*umem));
	enum err err = umem ? OK : ERR_NOMEM;

	fastpath->umem = umem;
	may_lock_memory();
	if (err == OK) {
		umem->lock_made = pthread_mutex_init(&umem->lock, NULL) == 0;
		err = umem->lock_made ? queues_lay_out(fastpath) : ERR_NOMEM;
	}
	if (err == OK)
		err = frames_make(umem);
	for (uint32_t i = 0; err == OK && i < umem->socket_count; i++)
		err = socket_open(fastpath, i);
	if (err == OK)
		return OK;
	*ret_why = (int)err == -EPERM    ? "no right to (CAP_NET_RAW)"
		   : (int)err == -ENOBUFS ? "too little memory may be locked (RLIMIT_MEMLOCK)"
					  : err_text(err);
	umem_destroy(&fastpath->umem);
	return err;
}

void umem_destroy(struct fast_umem **umem)
{
	struct fast_umem *it = *umem;

	if (!it)
		return;
	*umem = NULL;
	for (uint32_t i = 0; it->sockets && i < it->socket_count; i++) {
		ring_unmap(&it->sockets[i].receive);
		ring_unmap(&it->sockets[i].transmit);
		if (it->sockets[i].fd >= 0)
			close(it->sockets[i].fd);
	}
	for (uint32_t i = 0; i < it->queue_count; i++) {
		ring_unmap(&it->queues[i].fill);
		ring_unmap(&it->queues[i].done);
	}
	if (it->lock_made)
		pthread_mutex_destroy(&it->lock);
	if (it->area)
		munmap(it->area, it->bytes);
	free(it->queues);
	free(it->sockets);
	free(it->free);
	free(it);
}
