/* SPDX-License-Identifier: MIT
 * rtnetlink and generic netlink by hand: four messages do not need a library. Answers come from the
 * kernel alone (the sender's port is checked), and still every length is. */
#include "media-relay/fastpath/netlink.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAMILY_NETDEV "netdev"
#define NETDEV_CMD_DEV_GET 1 /* linux/netdev.h of Linux 6.3; Debian 12's headers are older */
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3
/* As the kernel's own macros, which are signed. */
#define ALIGN_4(len) (((size_t)(len) + 3u) & ~(size_t)3u)
#define ATTRIBUTE_HEAD_BYTES sizeof(struct nlattr)
#define MESSAGE_BYTES(body) (sizeof(struct nlmsghdr) + (size_t)(body))
#define NUD_USABLE (NUD_PERMANENT | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct question {
	struct nlmsghdr head;
	char body[256];
};

struct answer {
	size_t len;
	/* Aligned as the headers in it want. */
	_Alignas(struct nlmsghdr) char bytes[NETLINK_BUFFER_BYTES];
};

enum err netlink_open(struct netlink *netlink, int protocol, uint32_t groups)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = groups };
	enum err err;

	netlink->sequence = 0;
	netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0),
			     protocol);
	if (netlink->fd < 0)
		return err_from_errno();
	if (bind(netlink->fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return OK;
	err = err_from_errno();
	netlink_close(netlink);
	return err;
}

void netlink_close(struct netlink *netlink)
{
	close(netlink->fd);
	netlink->fd = -1;
}

/* ---- writing ---- */

static void *question_init(struct question *question, uint16_t type, size_t body_len)
{
	memset(question, 0, sizeof(*question));
	question->head.nlmsg_type = type;
	question->head.nlmsg_flags = NLM_F_REQUEST;
	question->head.nlmsg_len = (uint32_t)MESSAGE_BYTES(body_len);
	return question->body;
}

static void question_put(struct question *question, uint16_t type, const void *value, size_t len)
{
	struct nlattr attribute = { .nla_type = type, .nla_len = (uint16_t)(ATTRIBUTE_HEAD_BYTES + len) };
	char *at = (char *)question + ALIGN_4(question->head.nlmsg_len);

	memcpy(at, &attribute, sizeof(attribute));
	memcpy(at + ATTRIBUTE_HEAD_BYTES, value, len);
	question->head.nlmsg_len = (uint32_t)(ALIGN_4(question->head.nlmsg_len) +
					      ALIGN_4(ATTRIBUTE_HEAD_BYTES + len));
}

static void question_put_ip(struct question *question, uint16_t type, const struct ip_addr *ip)
{
	question_put(question, type, ip->bytes, ip->family == IP_V6 ? 16 : 4);
}

/* ---- reading ---- */

static const void *body_of(const struct nlmsghdr *head)
{
	return (const char *)head + sizeof(*head);
}

const struct nlmsghdr *netlink_next(const void *bytes, const struct nlmsghdr *head, size_t *len)
{
	const char *at = bytes;

	if (head) {
		size_t size = ALIGN_4(head->nlmsg_len);

		if (size >= *len)
			return NULL;
		at = (const char *)head + size;
		*len -= size;
	}
	head = (const struct nlmsghdr *)(const void *)at;
	if (*len < sizeof(*head) || head->nlmsg_len < sizeof(*head) || head->nlmsg_len > *len)
		return NULL;
	return head;
}

/* The body of the only answer, of at least body_len bytes. */
static enum err ask(struct netlink *netlink, struct question *question, uint16_t type,
		    size_t body_len, struct answer *answer, const void **ret_body)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)answer->bytes;
	ssize_t len;

	question->head.nlmsg_seq = ++netlink->sequence;
	if (sendto(netlink->fd, question, question->head.nlmsg_len, 0,
		   (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return err_from_errno();
	len = recv(netlink->fd, answer->bytes, sizeof(answer->bytes), 0);
	if (len < 0)
		return err_from_errno();
	answer->len = (size_t)len;
	if (!NLMSG_OK(head, answer->len) || head->nlmsg_seq != netlink->sequence)
		return ERR_SYNTAX;
	if (head->nlmsg_type == NLMSG_ERROR && head->nlmsg_len >= MESSAGE_BYTES(sizeof(int))) {
		int error;

		memcpy(&error, body_of(head), sizeof(error));
		return error == 0 ? ERR_SYNTAX : (enum err)error;
	}
	if (head->nlmsg_type != type || head->nlmsg_len < MESSAGE_BYTES(body_len))
		return ERR_SYNTAX;
	*ret_body = body_of(head);
	return OK;
}

/* The attribute of this type behind a message's body; at least len bytes. */
static const void *attribute_find(const struct nlmsghdr *head, size_t body_len, uint16_t type,
				  size_t len)
{
	const char *at = (const char *)head + MESSAGE_BYTES(ALIGN_4(body_len));
	const char *end = (const char *)head + head->nlmsg_len;

	while (at + ATTRIBUTE_HEAD_BYTES <= end) {
		struct nlattr attribute;

		memcpy(&attribute, at, sizeof(attribute));
		if (attribute.nla_len < ATTRIBUTE_HEAD_BYTES || attribute.nla_len > (size_t)(end - at))
			return NULL;
		if ((attribute.nla_type & NLA_TYPE_MASK) == type)
			return attribute.nla_len >= ATTRIBUTE_HEAD_BYTES + len ? at + ATTRIBUTE_HEAD_BYTES : NULL;
		at += ALIGN_4(attribute.nla_len);
	}
	return NULL;
}

static const struct nlmsghdr *head_of(const struct answer *answer)
{
	return (const struct nlmsghdr *)(const void *)answer->bytes;
}

static void ip_from(struct ip_addr *ip, int family, const void *octets)
{
	*ip = (struct ip_addr){ .family = family == AF_INET6 ? IP_V6 : IP_V4 };
	memcpy(ip->bytes, octets, family == AF_INET6 ? 16 : 4);
}

static int family_of(const struct ip_addr *ip)
{
	return ip->family == IP_V6 ? AF_INET6 : AF_INET;
}

/* ---- routes ---- */

/* A gateway of the other IP version (RFC 5549) comes as RTA_VIA: family, then octets. */
static void next_of(const struct nlmsghdr *head, const struct ip_addr *to, struct ip_addr *ret)
{
	size_t size = to->family == IP_V6 ? 16 : 4;
	const void *gateway = attribute_find(head, sizeof(struct rtmsg), RTA_GATEWAY, size);
	const struct rtvia *via =
		attribute_find(head, sizeof(struct rtmsg), RTA_VIA, sizeof(*via) + 16);

	*ret = *to;
	if (gateway)
		ip_from(ret, family_of(to), gateway);
	else if (via && via->rtvia_family == AF_INET6)
		ip_from(ret, AF_INET6, via->rtvia_addr);
}

enum err netlink_route(struct netlink *netlink, const struct ip_addr *from,
		       const struct ip_addr *to, struct netlink_route *ret)
{
	struct question question;
	struct answer answer;
	struct rtmsg *ask_for = question_init(&question, RTM_GETROUTE, sizeof(*ask_for));
	const struct rtmsg *route;
	const void *body, *device;
	enum err err;

	ask_for->rtm_family = (unsigned char)family_of(to);
	ask_for->rtm_dst_len = ask_for->rtm_src_len = to->family == IP_V6 ? 128 : 32;
	question_put_ip(&question, RTA_DST, to);
	question_put_ip(&question, RTA_SRC, from);
	err = ask(netlink, &question, RTM_NEWROUTE, sizeof(*route), &answer, &body);
	if (err != OK)
		return err;
	route = body;
	device = attribute_find(head_of(&answer), sizeof(*route), RTA_OIF, sizeof(uint32_t));
	if (!device)
		return ERR_NOENT;
	if (route->rtm_type != RTN_UNICAST)
		return ERR_UNSUPPORTED;
	memcpy(&ret->ifindex, device, sizeof(ret->ifindex));
	next_of(head_of(&answer), to, &ret->next);
	return OK;
}

/* ---- neighbours ---- */

enum err netlink_neighbour_event(const struct nlmsghdr *head, uint32_t *ret_ifindex,
				 struct ip_addr *ret_ip, unsigned char ret_mac[MAC_BYTES],
				 bool *ret_known)
{
	const struct ndmsg *neighbour = body_of(head);
	const void *ip, *mac;

	if ((head->nlmsg_type != RTM_NEWNEIGH && head->nlmsg_type != RTM_DELNEIGH) ||
	    head->nlmsg_len < MESSAGE_BYTES(sizeof(*neighbour)) ||
	    (neighbour->ndm_family != AF_INET && neighbour->ndm_family != AF_INET6))
		return ERR_UNSUPPORTED;
	ip = attribute_find(head, sizeof(*neighbour), NDA_DST,
			    neighbour->ndm_family == AF_INET6 ? 16 : 4);
	mac = attribute_find(head, sizeof(*neighbour), NDA_LLADDR, MAC_BYTES);
	if (!ip)
		return ERR_UNSUPPORTED;
	*ret_ifindex = (uint32_t)neighbour->ndm_ifindex;
	ip_from(ret_ip, neighbour->ndm_family, ip);
	*ret_known = head->nlmsg_type == RTM_NEWNEIGH && mac &&
		     (neighbour->ndm_state & NUD_USABLE);
	if (*ret_known)
		memcpy(ret_mac, mac, MAC_BYTES);
	return OK;
}

enum err netlink_neighbour(struct netlink *netlink, uint32_t ifindex, const struct ip_addr *ip,
			   unsigned char ret_mac[MAC_BYTES])
{
	struct question question;
	struct answer answer;
	struct ndmsg *ask_for = question_init(&question, RTM_GETNEIGH, sizeof(*ask_for));
	struct ip_addr of;
	const void *body;
	uint32_t at;
	bool known;
	enum err err;

	ask_for->ndm_family = (unsigned char)family_of(ip);
	ask_for->ndm_ifindex = (int)ifindex;
	question_put_ip(&question, NDA_DST, ip);
	err = ask(netlink, &question, RTM_NEWNEIGH, sizeof(*ask_for), &answer, &body);
	if (err == OK)
		err = netlink_neighbour_event(head_of(&answer), &at, &of, ret_mac, &known);
	if (err != OK)
		return err;
	return known ? OK : ERR_NOENT;
}

/* ---- devices ---- */

enum err netlink_link_event(const struct nlmsghdr *head, uint32_t ifindex,
			    struct netlink_link *ret)
{
	const struct ifinfomsg *device = body_of(head);
	const void *mac, *mtu;

	if (head->nlmsg_type != RTM_NEWLINK || head->nlmsg_len < MESSAGE_BYTES(sizeof(*device)) ||
	    (uint32_t)device->ifi_index != ifindex)
		return ERR_UNSUPPORTED;
	mac = attribute_find(head, sizeof(*device), IFLA_ADDRESS, MAC_BYTES);
	mtu = attribute_find(head, sizeof(*device), IFLA_MTU, sizeof(ret->mtu));
	if (!mac || !mtu)
		return ERR_UNSUPPORTED;
	memcpy(ret->mac, mac, MAC_BYTES);
	memcpy(&ret->mtu, mtu, sizeof(ret->mtu));
	ret->is_up = (device->ifi_flags & IFF_UP) && (device->ifi_flags & IFF_RUNNING);
	return OK;
}

static enum err netdev_family(struct netlink *netlink, uint16_t *ret)
{
	struct question question;
	struct answer answer;
	struct genlmsghdr *ask_for = question_init(&question, GENL_ID_CTRL, sizeof(*ask_for));
	const void *body, *id;
	enum err err;

	*ask_for = (struct genlmsghdr){ .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	question_put(&question, CTRL_ATTR_FAMILY_NAME, FAMILY_NETDEV, sizeof(FAMILY_NETDEV));
	err = ask(netlink, &question, GENL_ID_CTRL, sizeof(*ask_for), &answer, &body);
	if (err != OK)
		return err;
	id = attribute_find(head_of(&answer), sizeof(*ask_for), CTRL_ATTR_FAMILY_ID, sizeof(*ret));
	if (!id)
		return ERR_SYNTAX;
	memcpy(ret, id, sizeof(*ret));
	return OK;
}

static enum err netdev_features(struct netlink *netlink, uint32_t ifindex, uint64_t *ret)
{
	struct question question;
	struct answer answer;
	struct genlmsghdr *ask_for;
	const void *body, *features;
	uint16_t family;
	enum err err = netdev_family(netlink, &family);

	if (err != OK)
		return err;
	ask_for = question_init(&question, family, sizeof(*ask_for));
	*ask_for = (struct genlmsghdr){ .cmd = NETDEV_CMD_DEV_GET, .version = 1 };
	question_put(&question, NETDEV_A_DEV_IFINDEX, &ifindex, sizeof(ifindex));
	err = ask(netlink, &question, family, sizeof(*ask_for), &answer, &body);
	if (err != OK)
		return err;
	features = attribute_find(head_of(&answer), sizeof(*ask_for), NETDEV_A_DEV_XDP_FEATURES,
				  sizeof(*ret));
	if (!features)
		return ERR_SYNTAX;
	memcpy(ret, features, sizeof(*ret));
	return OK;
}

enum err netlink_xdp_features(uint32_t ifindex, uint64_t *ret)
{
	struct netlink netlink;
	enum err err = netlink_open(&netlink, NETLINK_GENERIC, 0);

	if (err != OK)
		return err;
	err = netdev_features(&netlink, ifindex, ret);
	netlink_close(&netlink);
	return (int)err == -ENOENT ? ERR_UNSUPPORTED : err;
}
