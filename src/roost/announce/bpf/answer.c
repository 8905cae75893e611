// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Answers ARP requests (RFC 826, 5227) and Neighbor Solicitations (RFC 4861, 4862, 6085) in the kernel, at the tc hook.
//
// `answer`, ingress: turns a question for an address that this node answers for into its answer and sends it back, while
// the lease holds; notes who asked, counts, and lets every other frame pass untouched. It answers exactly what
// `roost/announce/answering.py` answers: one table of cases runs against both (tests/unit/announce/questions.py).
// Questions of peers it leaves to the process, whose answer tells them that the process runs. Of an address that many
// nodes share it answers this node's askers, and whoever asks this station alone; the others' questions end here, so
// that the host's kernel, which may have the address, does not answer them.
//
// `guard`, egress: the host's own kernel does not speak in the name of an address while it is not answered for here, and
// never to everybody in the name of one that is shared: the process tells single hosts where it is.
//
// `spread`, ingress, is in spread.h.
//
// Frames are read and written by helpers, never through pointers: a program that writes through pointers makes the kernel
// copy each cloned frame before it runs, those of other people's connections, too.
//
// Maps are named here and made by `roost/announce/kernel_answers.py`, which has the same layouts. Byte order in them is
// the network's for addresses, the host's for all else.
#include "kernel.h"

#define SLOTS 4096    // roost/model/sharing.py
#define VISITS 16    // roost/model/spreading.py
#define LONGEST 128   // bytes of a solicitation that are checked here; longer ones are left to the process

struct key { u32 link; u32 address[4]; };   // an IPv4 address is IPv4-mapped
// own: an IPv4 address of the link, or 0; table, spread: numbers of tables; visits: numbers of nodes
struct how { u16 mac[3], link_mac[3]; u32 flags; u32 own, table, spread; u8 visits[VISITS]; };
enum { ANSWER = 1, ROUTER = 2, SHARED = 4, SPREAD = 8, RETURNS = 16, PASSES_ON = 32 };
enum { ANSWERS = 1 };
struct counts { u64 answered, left, late, packets, spread; };
struct asker { u32 address[4], client[4]; };
struct station { u16 mac[3], has_left; };
struct seen { u64 at; u16 mac[3], pad; };   // at: nanoseconds of CLOCK_MONOTONIC

extern struct map lease, addresses, tallies, askers, peers, scratch, slots;

struct ethernet { u16 to[3], from[3], type; };
struct arp {
	struct ethernet eth;
	u16 hardware, protocol; u8 hlen, plen; u16 operation, sha[3], spa[2], tha[3], tpa[2];
};
struct ipv6 { u8 version, label[3]; u16 length; u8 next, hops; u16 source[8], destination[8]; };
struct solicitation { struct ethernet eth; struct ipv6 ip; u8 type, code; u16 checksum, reserved[2], target[8]; };
struct advertisement { struct solicitation head; u8 option, units; u16 mac[3]; };
struct pseudo { u16 source[8], destination[8]; u32 length, next; };   // RFC 8200 section 8.1

INLINE int same(const u16 *a, const u16 *b) { return a[0] == b[0] && a[1] == b[1] && a[2] == b[2]; }
INLINE int group(const u16 *mac) { return mac[0] & htons(0x0100); }
INLINE int zero(const u16 *mac) { return !(mac[0] | mac[1] | mac[2]); }
INLINE void copy(u16 *to, const u16 *from, int words)
{
#pragma unroll
	for (int i = 0; i < words; i++)
		to[i] = from[i];
}
INLINE void mapped(u32 *to, const u16 *ipv4)
{
	to[0] = to[1] = 0;
	to[2] = htonl(0xffff);
	copy((u16 *)&to[3], ipv4, 2);
}

// Whether a frame to `mac` came here: to the link, or to what the address is answered with.
INLINE int for_us(const struct how *how, const u16 *mac)
{
	return same(mac, how->link_mac) || (how->flags & ANSWER && same(mac, how->mac));
}

INLINE int leased(const struct how *how)
{
	u32 zero = 0;
	u64 *until = map_lookup(&lease, &zero);
	return how->flags & ANSWER && until && ktime_get_ns() < *until;
}

INLINE void note(const struct asker *who, const u16 *mac)
{
	struct seen now = {.at = ktime_get_ns()};
	copy(now.mac, mac, 3);
	struct seen *known = map_lookup(&askers, who);
	if (known && same(known->mac, mac))
		known->at = now.at;
	else
		map_update(&askers, who, &now, 0);
}

// MurmurHash3's rounds
INLINE u32 mixed(u32 hash, u32 word)
{
	word *= 0xcc9e2d51;
	word = word << 15 | word >> 17;
	hash ^= word * 0x1b873593;
	hash = hash << 13 | hash >> 19;
	return hash * 5 + 0xe6546b64;
}
INLINE u32 finished(u32 hash)
{
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return (hash ^ hash >> 16) % SLOTS;
}

// The slot of the host at `mac` for an address (`slot_of` in roost/model/sharing.py).
INLINE u32 slot_of(const u16 *mac, const u32 *address)
{
	u32 hash = mixed(0, mac[0] | (u32)mac[1] << 16);
	hash = mixed(hash, mac[2]);
#pragma unroll
	for (int i = 0; i < 4; i++)
		hash = mixed(hash, address[i]);
	return finished(hash);
}

#include "spread.h"

// Whether a question of the host at `mac` is this node's to answer.
INLINE int ours(const struct key *key, const struct how *how, const u16 *mac, int alone)
{
	if (!(how->flags & SHARED) || alone)
		return 1;
	u32 slot = slot_of(mac, key->address);
	u32 at = how->table * (SLOTS / 64) + slot / 64;
	u64 *bits = map_lookup(&slots, &at);
	return bits && *bits >> slot % 64 & 1;
}

// ANSWERS, or the verdict on a question for `key`, asked by the host `client` at `mac` (0.0.0.0 and :: say nothing of who
// asks) of this station `alone`, or of everybody.
INLINE int wanted(const struct key *key, const struct how *how, const u32 *client, int says_who, const u16 *mac, int alone)
{
	struct station from = {};
	copy(from.mac, mac, 3);
	int silent = how->flags & SHARED ? DROP : NEXT;   // the packet socket has seen it already
	if (map_lookup(&peers, &from))
		return silent;
	struct counts *counts = map_lookup(&tallies, key);
	int answers = leased(how);
	if (how->flags & ANSWER && !answers) {   // the process hangs: nobody is there to note anything for
		if (counts)
			counts->late++;
		return silent;
	}
	answers = answers && ours(key, how, mac, alone);
	if (counts && answers)
		counts->answered++;
	else if (counts)
		counts->left++;
	if (says_who) {
		struct asker who;
		__builtin_memcpy(who.address, key->address, 16);
		__builtin_memcpy(who.client, client, 16);
		note(&who, mac);
	}
	return answers ? ANSWERS : silent;
}

INLINE int is_arp(const struct arp *arp)
{
	return arp->hardware == htons(1) && arp->protocol == htons(0x0800) && arp->hlen == 6 && arp->plen == 4;
}

INLINE int on_arp(struct __sk_buff *skb)
{
	struct arp arp;
	if (skb_load(skb, 0, &arp, sizeof arp) || !is_arp(&arp) || arp.operation != htons(1))
		return NEXT;
	struct key key = {.link = skb->ifindex}, sender = {.link = skb->ifindex};
	mapped(key.address, arp.tpa);
	struct how *how = map_lookup(&addresses, &key);
	if (!how)
		return NEXT;
	if (group(arp.eth.from) || zero(arp.eth.from) || same(arp.eth.from, how->link_mac) || !same(arp.eth.from, arp.sha))
		return NEXT;   // spoofed, or this host's own
	int everybody = (arp.eth.to[0] & arp.eth.to[1] & arp.eth.to[2]) == 0xffff;
	if (!everybody && !for_us(how, arp.eth.to))
		return NEXT;
	mapped(sender.address, arp.spa);
	if (map_lookup(&addresses, &sender))
		return NEXT;   // a claim: the process hears it
	int verdict = wanted(&key, how, sender.address, arp.spa[0] | arp.spa[1], arp.sha, !everybody);
	if (verdict != ANSWERS)
		return verdict;
	copy(arp.eth.to, arp.eth.from, 3);
	copy(arp.eth.from, how->mac, 3);
	arp.operation = htons(2);
	u16 asked[2];
	copy(asked, arp.tpa, 2);
	copy(arp.tha, arp.sha, 3);
	copy(arp.tpa, arp.spa, 2);
	copy(arp.sha, how->mac, 3);
	copy(arp.spa, asked, 2);
	if (skb->len > 60 && skb_change_tail(skb, 60, 0))
		return NEXT;
	if (skb_store(skb, 0, &arp, sizeof arp, 0))
		return NEXT;
	return redirect(skb->ifindex, 0);
}

INLINE u16 folded(long sum)
{
	u32 total = sum;
	total = (total & 0xffff) + (total >> 16);
	total = (total & 0xffff) + (total >> 16);
	return ~total;
}

INLINE long pseudo_sum(const u16 *source, const u16 *destination, u32 length)
{
	struct pseudo pseudo = {.length = htonl(length), .next = htonl(58)};
	copy(pseudo.source, source, 8);
	copy(pseudo.destination, destination, 8);
	return csum_diff(0, 0, &pseudo, sizeof pseudo, 0);
}

INLINE int unspecified(const u16 *a) { return !(a[0] | a[1] | a[2] | a[3] | a[4] | a[5] | a[6] | a[7]); }

// Whether `to` is the solicited-node address of `target` (RFC 4291 section 2.7.1).
INLINE int solicited_node(const u16 *to, const u16 *target)
{
	return to[0] == htons(0xff02) && !(to[1] | to[2] | to[3] | to[4]) && to[5] == htons(1) &&
	       to[6] == (htons(0xff00) | (target[6] & htons(0x00ff))) && to[7] == target[7];
}

struct option { u8 kind, units; u16 mac[3]; };

// Whether the options of a message of `length` bytes are whole, and the first source link-layer address among them is
// `mac`; there is none where it is `forbidden`. Each is copied: without CAP_PERFMON the verifier allows no pointers that
// wander.
INLINE int options_fit(struct __sk_buff *skb, u64 length, const u16 *mac, int forbidden)
{
	u64 at = 24;
	int found = 0;
	for (int i = 0; i < (LONGEST - 24) / 8 && at < length; i++) {
		struct option option;
		if (skb_load(skb, 54 + at, &option, sizeof option) || !option.units)
			return 0;
		if (option.kind == 1 && option.units == 1 && !found) {
			if (forbidden || !same(option.mac, mac))
				return 0;
			found = 1;
		}
		at += option.units * 8;
	}
	return at == length;
}

INLINE int on_solicitation(struct __sk_buff *skb)
{
	struct advertisement answer = {};
	struct solicitation *ns = &answer.head;
	if (skb_load(skb, 0, ns, sizeof *ns) || ns->ip.version >> 4 != 6 || ns->ip.hops != 255 || ns->code)
		return NEXT;
	struct key key = {.link = skb->ifindex};
	copy((u16 *)key.address, ns->target, 8);
	struct how *how = map_lookup(&addresses, &key);
	if (!how)
		return NEXT;
	if (group(ns->eth.from) || zero(ns->eth.from) || same(ns->eth.from, how->link_mac))
		return NEXT;
	int asks_all = ns->eth.to[0] == htons(0x3333) && ns->eth.to[1] == (htons(0xff00) | (ns->target[6] & htons(0x00ff))) &&
		       ns->eth.to[2] == ns->target[7];
	if (!asks_all && !for_us(how, ns->eth.to))
		return NEXT;
	int probe = unspecified(ns->ip.source);
	if ((ns->ip.source[0] & htons(0xff00)) == htons(0xff00) || (probe && !solicited_node(ns->ip.destination, ns->target)))
		return NEXT;
	u32 first = 0;
	u8 *message = map_lookup(&scratch, &first);
	u64 length = htons(ns->ip.length);
	if (!message || length & 7 || length < 24)
		return NEXT;
	AS_IT_IS(length);
	if (length > LONGEST || skb_load(skb, 54, message, length))
		return NEXT;
	long sum = pseudo_sum(ns->ip.source, ns->ip.destination, length);
	if (folded(csum_diff(0, 0, message, length, sum)) || !options_fit(skb, length, ns->eth.from, probe))
		return NEXT;
	u32 client[4];
	copy((u16 *)client, ns->ip.source, 8);
	int verdict = wanted(&key, how, client, !probe, ns->eth.from, !group(ns->eth.to));
	if (verdict != ANSWERS)
		return verdict;
	copy(ns->eth.to, ns->eth.from, 3);   // a prober, too, hears it alone (RFC 6085)
	copy(ns->eth.from, how->mac, 3);
	ns->ip.version = 0x60;
	ns->ip.label[0] = ns->ip.label[1] = ns->ip.label[2] = 0;
	ns->ip.length = htons(32);
	copy(ns->ip.destination, ns->ip.source, 8);
	if (probe) {   // ff02::1
		ns->ip.destination[0] = htons(0xff02);
		ns->ip.destination[7] = htons(1);
	}
	copy(ns->ip.source, ns->target, 8);
	ns->type = 136;
	ns->checksum = 0;
	ns->reserved[0] = htons((how->flags & ROUTER ? 0x8000 : 0) | (probe ? 0 : 0x4000) | 0x2000);
	ns->reserved[1] = 0;
	answer.option = 2;
	answer.units = 1;
	copy(answer.mac, how->mac, 3);
	__builtin_memcpy(message, &ns->type, 32);   // whose start is aligned for the helper
	sum = pseudo_sum(ns->ip.source, ns->ip.destination, 32);
	ns->checksum = folded(csum_diff(0, 0, message, 32, sum));
	if (skb->len != sizeof answer && skb_change_tail(skb, sizeof answer, 0))
		return NEXT;
	if (skb_store(skb, 0, &answer, sizeof answer, 0))
		return NEXT;
	return redirect(skb->ifindex, 0);
}

INLINE int counted(struct __sk_buff *skb, const struct key *key)
{
	struct counts *counts = map_lookup(&tallies, key);
	if (counts)
		counts->packets += skb->gso_segs ? skb->gso_segs : 1;
	return NEXT;
}

SECTION("tc/answer") int answer(struct __sk_buff *skb)
{
	struct key key = {.link = skb->ifindex};
	if (skb->vlan_present)
		return NEXT;   // another link's, whose tag was only taken aside
	if (skb->protocol == htons(0x0806))
		return on_arp(skb);
	if (skb->protocol == htons(0x0800)) {
		u16 destination[2];
		if (skb->pkt_type != PACKET_HOST || skb_load(skb, 30, destination, 4))
			return NEXT;
		mapped(key.address, destination);
		return counted(skb, &key);
	}
	if (skb->protocol == htons(0x86dd)) {
		u8 next, type;
		if (skb_load(skb, 20, &next, 1))
			return NEXT;
		if (next == 58) {
			if (skb_load(skb, 54, &type, 1))
				return NEXT;
			if (type == 135)
				return on_solicitation(skb);
			if (type >= 133 && type <= 137)
				return NEXT;   // Neighbor Discovery is no traffic
		}
		if (skb->pkt_type != PACKET_HOST || skb_load(skb, 38, key.address, 16))
			return NEXT;
		return counted(skb, &key);
	}
	return NEXT;
}

INLINE int guard_arp(struct __sk_buff *skb)
{
	struct arp arp;
	if (skb_load(skb, 0, &arp, sizeof arp) || !is_arp(&arp))
		return NEXT;
	struct key key = {.link = skb->ifindex};
	mapped(key.address, arp.spa);
	struct how *how = map_lookup(&addresses, &key);
	if (!how || !same(arp.sha, how->link_mac))
		return NEXT;
	int answers = leased(how), gratuitous = arp.spa[0] == arp.tpa[0] && arp.spa[1] == arp.tpa[1];
	if (answers && !(how->flags & SHARED))
		return NEXT;
	if (arp.operation != htons(1) || gratuitous)
		return answers && !group(arp.eth.to) ? NEXT : DROP;   // the process speaks to one host
	// The kernel looks for a neighbour with a packet of a connection in hand: it may, in its own name.
	return skb_store(skb, 28, &how->own, 4, 0) ? DROP : NEXT;
}

INLINE int guard_nd(struct __sk_buff *skb)
{
	struct solicitation nd;
	if (skb_load(skb, 0, &nd, sizeof nd) || nd.ip.next != 58 || (nd.type != 135 && nd.type != 136))
		return NEXT;
	struct key key = {.link = skb->ifindex};
	if (skb_load(skb, nd.type == 136 ? 62 : 22, key.address, 16))   // the target, or the source
		return NEXT;
	struct how *how = map_lookup(&addresses, &key);
	if (!how || !same(nd.eth.from, how->link_mac))
		return NEXT;
	int to_all = how->flags & SHARED && (nd.type != 136 || group(nd.eth.to));
	return leased(how) && !to_all ? NEXT : DROP;
}

SECTION("tc/guard") int guard(struct __sk_buff *skb)
{
	if (skb->vlan_present)
		return NEXT;
	if (skb->protocol == htons(0x0806))
		return guard_arp(skb);
	return skb->protocol == htons(0x86dd) ? guard_nd(skb) : NEXT;
}

SECTION("tc/spread") int spread_out(struct __sk_buff *skb)
{
	struct key key = {.link = skb->ifindex};
	u16 ipv4[2];
	if (skb->vlan_present || skb->pkt_type != PACKET_HOST)
		return NEXT;
	if (skb->protocol == htons(0x0800)) {
		if (skb_load(skb, 30, ipv4, 4))
			return NEXT;
		mapped(key.address, ipv4);
	} else if (skb->protocol != htons(0x86dd) || skb_load(skb, 38, key.address, 16)) {
		return NEXT;
	}
	struct how *how = map_lookup(&addresses, &key);
	return how && how->flags & SPREAD ? on_flow(skb, &key, how) : NEXT;
}
