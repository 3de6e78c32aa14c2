/* SPDX-License-Identifier: MIT
 * Which interfaces carry media, and which of the three hooks suits all of them: one for the whole
 * relay, because a packet that comes in by one must be able to leave by any other.
 *
 * XDP in the driver is left out on veth by itself: what its neighbours send may have a checksum that
 * only a device would finish, XDP cannot see which, and the packet would arrive broken. tc's hook
 * knows. Links, not pins and not netlink: they end with the process. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "media-relay/fastpath/fastpath_priv.h"

#define TCX_INGRESS 46 /* BPF_TCX_INGRESS: newer than Debian 12's headers */

/* ---- interfaces ---- */

static bool ask_device(int fd, struct ifreq *request, unsigned long what)
{
	return ioctl(fd, what, request) == 0;
}

static bool is_veth(int fd, struct ifreq *request)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	bool answered;

	request->ifr_data = (void *)&info;
	answered = ask_device(fd, request, SIOCETHTOOL);
	request->ifr_data = NULL;
	return answered && strncmp(info.driver, "veth", sizeof(info.driver)) == 0;
}

/* NULL: taken; else why not. */
static const char *interface_fill(int fd, struct fast_interface *interface)
{
	struct ifreq request = { .ifr_flags = 0 };

	memcpy(request.ifr_name, interface->name, sizeof(interface->name));
	if (!ask_device(fd, &request, SIOCGIFINDEX))
		return "there is no such interface";
	interface->ifindex = (uint32_t)request.ifr_ifindex;
	if (!ask_device(fd, &request, SIOCGIFHWADDR) ||
	    (request.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
	     request.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK))
		return "not Ethernet";
	memcpy(interface->mac, request.ifr_hwaddr.sa_data, MAC_BYTES);
	if (request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK)
		return "the loopback interface: whatever runs on this machine would pay for it";
	if (!ask_device(fd, &request, SIOCGIFMTU))
		return "no MTU";
	interface->mtu = request.ifr_mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)request.ifr_mtu;
	interface->veth = is_veth(fd, &request);
	return NULL;
}

static bool interface_has(const struct fastpath *fastpath, const char *name)
{
	for (size_t i = 0; i < fastpath->interface_count; i++)
		if (strcmp(fastpath->interfaces[i].name, name) == 0)
			return true;
	return false;
}

static void interface_add(struct fastpath *fastpath, struct log *log, int fd, struct slice name)
{
	struct fast_interface *interface = &fastpath->interfaces[fastpath->interface_count];
	const char *why;

	if (fastpath->interface_count == FAST_INTERFACES_MAX || name.len >= INTERFACE_NAME_BYTES)
		return;
	*interface = (struct fast_interface){ .link_fd = -1, .ring_link_fd = -1 };
	memcpy(interface->name, name.p, name.len);
	if (interface_has(fastpath, interface->name))
		return;
	why = interface_fill(fd, interface);
	if (why)
		log_write(log, LOG_LEVEL_INFO, EVENT_fast_path, LOG_S("interface", name),
			  LOG_T("way", "socket"), LOG_T("why", why));
	else
		fastpath->interface_count++;
}

static bool wanted_address(const struct fastpath_options *options, const struct sockaddr *sa)
{
	struct sockaddr_storage storage = { .ss_family = AF_UNSPEC };
	struct endpoint at;

	if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return false;
	memcpy(&storage, sa, sa->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						      : sizeof(struct sockaddr_in6));
	if (endpoint_from_sockaddr(&storage, &at) != OK)
		return false;
	for (size_t i = 0; i < options->address_count; i++)
		if (ip_eq(&options->addresses[i], &at.ip))
			return true;
	return false;
}

enum err fast_interfaces_find(struct fastpath *fastpath, const struct fastpath_options *options,
			      const char **ret_why)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifaddrs *all = NULL;

	if (fd < 0)
		return err_from_errno();
	for (size_t i = 0; i < options->interface_count; i++)
		interface_add(fastpath, options->log, fd, options->interfaces[i]);
	if (options->interface_count == 0 && getifaddrs(&all) == 0) {
		for (const struct ifaddrs *it = all; it; it = it->ifa_next)
			if (wanted_address(options, it->ifa_addr))
				interface_add(fastpath, options->log, fd, slice_text(it->ifa_name));
		freeifaddrs(all);
	}
	close(fd);
	*ret_why = "no interface for it: relay.interfaces names none, and the realms' media "
		   "addresses are on none";
	return fastpath->interface_count > 0 ? OK : ERR_NOENT;
}

/* ---- hooks ---- */

int fast_program_fd(const struct fastpath *fastpath, enum fast_mode mode)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(
		fastpath->object, mode == FAST_TC ? "relay_tc" : "relay_xdp");

	return program ? bpf_program__fd(program) : -1;
}

static enum err attach_one(int program_fd, enum fast_mode mode, uint32_t ifindex, int *ret_link_fd)
{
	struct bpf_link_create_opts options = { .sz = sizeof(options) };
	enum bpf_attach_type type = BPF_XDP;
	int fd;

	if (mode == FAST_TC)
		type = (enum bpf_attach_type)TCX_INGRESS;
	else
		options.flags = mode == FAST_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	fd = bpf_link_create(program_fd, (int)ifindex, type, &options);
	if (fd < 0)
		return err_from_errno();
	*ret_link_fd = fd;
	return OK;
}

void fast_detach(struct fastpath *fastpath)
{
	for (size_t i = 0; i < fastpath->interface_count; i++) {
		if (fastpath->interfaces[i].link_fd >= 0)
			close(fastpath->interfaces[i].link_fd);
		fastpath->interfaces[i].link_fd = -1;
	}
}

/* Frames can be sent there from XDP. Some drivers can only once they have a program themselves, so
 * this is asked afterwards; a kernel that cannot say is believed. */
static bool takes_frames(const struct fast_interface *interface)
{
	uint64_t features;
	enum err err = netlink_xdp_features(interface->ifindex, &features);

	return err == OK ? (features & XDP_FEATURE_REDIRECT_TARGET) != 0 : err == ERR_UNSUPPORTED;
}

static enum err attach_all(struct fastpath *fastpath, enum fast_mode mode, const char **ret_why)
{
	for (size_t i = 0; i < fastpath->interface_count; i++) {
		struct fast_interface *interface = &fastpath->interfaces[i];
		enum err err = attach_one(fast_program_fd(fastpath, mode), mode,
					  interface->ifindex, &interface->link_fd);

		if (err != OK) {
			*ret_why = err_text(err);
			return err;
		}
	}
	for (size_t i = 0; mode == FAST_NATIVE && i < fastpath->interface_count; i++)
		if (!takes_frames(&fastpath->interfaces[i])) {
			*ret_why = "the driver sends no XDP frames (veth: GRO is off at the other end)";
			return ERR_UNSUPPORTED;
		}
	fastpath->mode = mode;
	return OK;
}

static bool any_veth(const struct fastpath *fastpath)
{
	for (size_t i = 0; i < fastpath->interface_count; i++)
		if (fastpath->interfaces[i].veth)
			return true;
	return false;
}

enum err fast_attach(struct fastpath *fastpath, enum fast_mode wanted, const char **ret_why)
{
	static const enum fast_mode order[] = { FAST_NATIVE, FAST_TC, FAST_GENERIC };
	enum err err = ERR_UNSUPPORTED;

	if (wanted != FAST_AUTO)
		return attach_all(fastpath, wanted, ret_why);
	*ret_why = "veth, and a kernel without tcx (6.6)";
	for (size_t i = 0; i < array_size(order) && err != OK; i++) {
		if (order[i] != FAST_TC && any_veth(fastpath))
			continue;
		err = attach_all(fastpath, order[i], ret_why);
		if (err != OK)
			fast_detach(fastpath);
	}
	return err;
}

/* ---- rings ---- */

void fast_detach_rings(struct fastpath *fastpath)
{
	for (size_t i = 0; i < fastpath->interface_count; i++) {
		if (fastpath->interfaces[i].ring_link_fd >= 0)
			close(fastpath->interfaces[i].ring_link_fd);
		fastpath->interfaces[i].ring_link_fd = -1;
	}
}

/* Each interface by itself: a ring takes packets of whichever hook. */
enum err fast_attach_rings(struct fastpath *fastpath, const char **ret_why)
{
	const struct bpf_program *program =
		bpf_object__find_program_by_name(fastpath->object, "relay_rings");
	int fd = program ? bpf_program__fd(program) : -1;

	for (size_t i = 0; i < fastpath->interface_count; i++) {
		struct fast_interface *interface = &fastpath->interfaces[i];
		enum err err = attach_one(fd, FAST_NATIVE, interface->ifindex,
					  &interface->ring_link_fd);

		if (err != OK)
			err = attach_one(fd, FAST_GENERIC, interface->ifindex,
					 &interface->ring_link_fd);
		if (err != OK) {
			*ret_why = err_text(err);
			return err;
		}
	}
	return OK;
}
