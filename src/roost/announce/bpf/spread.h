// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Spreads the connections of an address over the nodes: what clients send is passed to the node of its flow, by a new
// Ethernet header and out of the link that it came in on. That node answers the client itself.
//
//     from a client -> a flow that is known -> where it was before      from a peer -> never spread again
//                   -> else to the node of its slot                                 -> of a connection of this host: up
//                                                                                   -> else, in mid-stream, back to the peer
//     back from the node that it was sent to -> to the next one that may have the connection, each once
//
// A flow is known from its first packet on, so that it stays where it is when others come, go, or weigh more. Who takes
// over from another node knows none: there a connection that was begun elsewhere than in its slot is looked for, by the
// sockets of the nodes; where a proxy has it, by what the hosts track: a table of nftables passes it on.
// It is a filter of its own, behind the one that answers, and outlives a process that is killed: until the lease ends.
// No circles: what comes from a peer is sent on only to the nodes of `visits`, in their order, which the flow counts; and
// what goes back has one hop less to live.
#define UDP_IDLE 120000000000ull   // ns without a packet after which a flow of UDP may go elsewhere
#define RESENT 1000000000ull       // ns in which a connection that nobody has is not looked for again
#define SAME_DATAGRAM 2000000000ull   // ns: identifications come again
#define TAKEN_OVER 3000000000ull   // ns after the lease in which another node has taken over, or does not live
#define HEARD_OF_NONE 255

enum { ME = 1 };   // this node's number
enum { TCP = 6, UDP = 17, FRAGMENT = 44, LISTENS = 10 };
enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

struct flow { u32 address[4], client[4]; u16 client_port, port; u8 protocol, pad[3]; };
struct datagram { u32 address[4], client[4]; u32 id; u8 protocol, pad[3]; };
struct taken { u64 at; u8 node, visited, pad[6]; };   // at: nanoseconds of CLOCK_MONOTONIC
struct place { u32 link, node; };
struct tuple4 { u32 from, to; u16 port, to_port; };
struct tuple6 { u32 from[4], to[4]; u16 port, to_port; };
struct ports { u16 from, to; };
struct ipv4 { u8 version, service; u16 length, id, offset; u8 hops, protocol; u16 checksum; u32 from, to; };
struct tcp { u16 from, to; u32 number, acknowledged; u8 words, flags; u16 window, checksum, urgent; };
struct bpf_sock { u32 link, family, type, protocol, mark, priority, from, from6[4], port, to_port, to, to6[4], state; };

// What is to be known of a packet.
struct packet {
	struct flow flow;
	u32 id;       // of the datagram that it is a part of
	u32 offset;   // of what follows the header of IP
	u8 version, part, later, begins, error;   // later: a part without ports; error: ICMP, about a packet of the flow
};

extern struct map flows, datagrams, spread, places, stations;

INLINE u32 flow_slot(const struct flow *flow)
{
	u32 hash = 0;
#pragma unroll
	for (int i = 0; i < 4; i++)
		hash = mixed(hash, flow->client[i]);
#pragma unroll
	for (int i = 0; i < 4; i++)
		hash = mixed(hash, flow->address[i]);
	hash = mixed(hash, flow->client_port | (u32)flow->port << 16);
	return finished(mixed(hash, flow->protocol));
}

// The number of the node that takes what begins in the flow, or 0.
INLINE u32 owner(const struct how *how, const struct flow *flow)
{
	u32 slot = flow_slot(flow);
	u32 at = how->spread * (SLOTS / 8) + slot / 8;
	u64 *numbers = map_lookup(&spread, &at);
	return numbers ? *numbers >> slot % 8 * 8 & 0xff : 0;
}

// The next node after `node` that may have the connection, or 0; `visited` counts.
INLINE u32 next(const struct how *how, u32 node, u8 *visited)
{
	u32 at = *visited;
	for (int i = 0; i < VISITS; i++, at++) {
		if (at >= VISITS)
			return 0;
		AS_IT_IS(at);
		u32 found = how->visits[at & (VISITS - 1)];
		*visited = at + 1;
		if (!found)
			return 0;
		if (found != node && found != ME)
			return found;
	}
	return 0;
}

INLINE int read_ipv4(struct __sk_buff *skb, u32 at, struct packet *packet)
{
	struct ipv4 ip;
	if (skb_load(skb, at, &ip, sizeof ip) || ip.version >> 4 != 4)
		return 0;
	mapped(packet->flow.client, (u16 *)&ip.from);
	mapped(packet->flow.address, (u16 *)&ip.to);
	packet->flow.protocol = ip.protocol;
	packet->part = !!(ip.offset & htons(0x3fff));
	packet->later = !!(ip.offset & htons(0x1fff));
	packet->id = ip.id;
	packet->offset = at + (ip.version & 15) * 4;
	packet->version = 4;
	return 1;
}

INLINE int read_ipv6(struct __sk_buff *skb, u32 at, struct packet *packet)
{
	struct ipv6 ip;
	struct { u8 next, zero; u16 offset; u32 id; } fragment;
	if (skb_load(skb, at, &ip, sizeof ip))
		return 0;
	copy((u16 *)packet->flow.client, ip.source, 8);
	copy((u16 *)packet->flow.address, ip.destination, 8);
	packet->flow.protocol = ip.next;
	packet->offset = at + sizeof ip;
	packet->version = 6;
	if (ip.next == FRAGMENT) {
		if (skb_load(skb, packet->offset, &fragment, sizeof fragment))
			return 0;
		packet->flow.protocol = fragment.next;
		packet->part = 1;
		packet->later = !!(fragment.offset & htons(0xfff8));
		packet->id = fragment.id;
		packet->offset += sizeof fragment;
	}
	return 1;
}

INLINE int read_ip(struct __sk_buff *skb, u32 at, struct packet *packet)
{
	return skb->protocol == htons(0x0800) ? read_ipv4(skb, at, packet) : read_ipv6(skb, at, packet);
}

INLINE void swap(struct flow *flow)
{
	u32 client[4];
	__builtin_memcpy(client, flow->address, 16);
	__builtin_memcpy(flow->address, flow->client, 16);
	__builtin_memcpy(flow->client, client, 16);
	u16 port = flow->port;
	flow->port = flow->client_port;
	flow->client_port = port;
}

INLINE int is_error(const struct packet *packet, u8 type)
{
	if (packet->version == 4)
		return packet->flow.protocol == 1 && (type == 3 || type == 11 || type == 12);
	return packet->flow.protocol == 58 && type >= 1 && type <= 4;
}

// Reads what belongs to a flow of TCP or UDP; 0 for all else.
INLINE int read_packet(struct __sk_buff *skb, struct packet *packet)
{
	struct ports ports;
	u8 type;
	if (!read_ip(skb, 14, packet))
		return 0;
	if (packet->flow.protocol != TCP && packet->flow.protocol != UDP) {
		if (packet->part || skb_load(skb, packet->offset, &type, 1) || !is_error(packet, type))
			return 0;
		u32 inner = packet->offset + 8;   // the packet that could not be delivered: this address has sent it
		if (!read_ip(skb, inner, packet))
			return 0;
		if (packet->later)
			return 0;
		packet->error = 1;
		packet->part = 0;
	}
	if (packet->flow.protocol != TCP && packet->flow.protocol != UDP)
		return 0;
	if (!packet->later) {
		if (skb_load(skb, packet->offset, &ports, sizeof ports))
			return 0;
		packet->flow.client_port = ports.from;
		packet->flow.port = ports.to;
	}
	if (packet->error)
		swap(&packet->flow);
	if (packet->flow.protocol == TCP && !packet->error && !packet->later) {
		u8 flags;
		if (skb_load(skb, packet->offset + 13, &flags, 1))
			return 0;
		packet->begins = (flags & (FIN | SYN | RST | ACK)) == SYN;
	}
	return 1;
}

// Whether a listening socket has sent the cookie that this acknowledges.
INLINE int answers_cookie(struct __sk_buff *skb, const struct packet *packet, struct bpf_sock *socket)
{
	struct tcp tcp;
	if (skb_load(skb, packet->offset, &tcp, sizeof tcp))
		return 0;
	if (packet->version == 4) {
		struct ipv4 ip;
		return !skb_load(skb, 14, &ip, sizeof ip) && !check_syncookie(socket, &ip, sizeof ip, &tcp, sizeof tcp);
	}
	struct ipv6 ip;
	return !skb_load(skb, 14, &ip, sizeof ip) && !check_syncookie(socket, &ip, sizeof ip, &tcp, sizeof tcp);
}

// Whether a packet of TCP belongs to a connection of this host.
INLINE int is_open(struct __sk_buff *skb, const struct packet *packet)
{
	const struct flow *flow = &packet->flow;
	struct bpf_sock *socket;
	if (packet->version == 4) {
		struct tuple4 tuple = {flow->client[3], flow->address[3], flow->client_port, flow->port};
		socket = find_socket(skb, &tuple, sizeof tuple, -1, 0);
	} else {
		struct tuple6 tuple = {.port = flow->client_port, .to_port = flow->port};
		__builtin_memcpy(tuple.from, flow->client, 16);
		__builtin_memcpy(tuple.to, flow->address, 16);
		socket = find_socket(skb, &tuple, sizeof tuple, -1, 0);
	}
	if (!socket)
		return 0;
	int found = socket->state != LISTENS || answers_cookie(skb, packet, socket);
	release_socket(socket);
	return found;
}

INLINE int send(struct __sk_buff *skb, const struct how *how, const u16 *mac)
{
	u16 header[6];
	copy(header, mac, 3);
	copy(header + 3, how->link_mac, 3);
	if (skb_store(skb, 0, header, sizeof header, 0))
		return NEXT;
	return redirect(skb->ifindex, 0);
}

// Sends on what has come from a peer, with one hop less to live: whatever nodes hold of each other, that ends.
INLINE int send_further(struct __sk_buff *skb, const struct how *how, const u16 *mac)
{
	int version = skb->protocol == htons(0x0800) ? 4 : 6;
	u32 at = version == 4 ? 22 : 21;
	u16 before, after;
	u8 hops;
	if (skb_load(skb, at, &hops, 1) || hops <= 1 || (version == 4 && skb_load(skb, 22, &before, 2)))
		return DROP;
	hops--;
	if (skb_store(skb, at, &hops, 1, 0))
		return DROP;
	if (version == 4 && (skb_load(skb, 22, &after, 2) || l3_csum_replace(skb, 24, before, after, 2)))
		return DROP;
	return send(skb, how, mac);
}

INLINE void count(struct __sk_buff *skb, struct counts *counts)
{
	if (counts)
		counts->spread += skb->gso_segs ? skb->gso_segs : 1;
}

// Where a node is on this link; 0 for this one, or if that is not known.
INLINE struct station *place_of(struct __sk_buff *skb, u32 node)
{
	struct place place = {skb->ifindex, node};
	return node == ME ? 0 : map_lookup(&places, &place);
}

// Whether a packet goes where others of its flow went. With its address a node that leaves loses all flows of UDP, since
// sockets do not say who has sent: these go elsewhere before.
INLINE int is_usable(struct __sk_buff *skb, const struct how *how, const struct packet *packet, const struct taken *taken,
		     u64 now)
{
	if (packet->begins || (packet->flow.protocol == UDP && now - taken->at > UDP_IDLE))
		return 0;
	if (taken->visited == HEARD_OF_NONE)
		return now - taken->at < RESENT;
	if (taken->node == ME)
		return 1;
	struct station *station = place_of(skb, taken->node);
	return station && !(station->has_left && how->flags & RETURNS && packet->flow.protocol == UDP);
}

// Whether a packet of the flow may be back from `node`, which had been sent it before the one that is known now.
INLINE int was_sent(const struct how *how, const struct flow *flow, const struct taken *taken, u32 node)
{
	if (owner(how, flow) == node)
		return 1;
	for (u32 at = 0; at < VISITS && at < taken->visited; at++) {
		u32 place = at;
		AS_IT_IS(place);
		if (how->visits[place & (VISITS - 1)] == node)
			return 1;
	}
	return 0;
}

// Where a packet goes next that a peer has sent: `peer` does not know the connection, or has taken this node for the one
// that does, which gets it back. Who does not lead sends nothing further: the leader has to find out for itself.
INLINE u32 node_after(const struct how *how, const struct packet *packet, u32 peer, u64 now)
{
	struct taken *known = map_lookup(&flows, &packet->flow);
	if (!known)
		return peer;
	if (known->visited == HEARD_OF_NONE)
		return now - known->at < RESENT ? ME : peer;   // nobody has it: this host says so
	if (known->node != peer) {
		int further = how->flags & ANSWER && known->node != ME && was_sent(how, &packet->flow, known, peer);
		return further ? known->node : peer;
	}
	struct taken taken = {.at = now, .visited = known->visited};
	taken.node = next(how, peer, &taken.visited);
	if (!taken.node) {
		taken.node = ME;
		taken.visited = HEARD_OF_NONE;
	}
	map_update(&flows, &packet->flow, &taken, 0);
	return taken.node;
}

INLINE int from_peer(struct __sk_buff *skb, const struct how *how, const struct packet *packet, u32 peer,
		     struct counts *counts, u64 now)
{
	if (!(how->flags & RETURNS) || packet->flow.protocol != TCP || packet->begins || packet->part || packet->error)
		return NEXT;
	if (!peer || is_open(skb, packet))
		return NEXT;
	struct station *station = place_of(skb, node_after(how, packet, peer, now));
	if (!station)
		return NEXT;
	count(skb, counts);
	return send_further(skb, how, station->mac);
}

// The node of a flow that is not known here yet.
INLINE struct taken chosen(struct __sk_buff *skb, const struct how *how, const struct packet *packet, u64 now)
{
	struct taken taken = {.at = now, .node = owner(how, &packet->flow)};
	if ((packet->begins || packet->flow.protocol == UDP) && !place_of(skb, taken.node))
		taken.node = ME;   // it begins here, and stays when that node comes
	if (!(how->flags & RETURNS) || packet->flow.protocol != TCP || packet->begins || packet->part || packet->error)
		return taken;
	if (is_open(skb, packet)) {
		taken.node = ME;
	} else if (taken.node == ME) {
		taken.node = next(how, ME, &taken.visited);
		if (!taken.node) {
			taken.node = ME;
			taken.visited = HEARD_OF_NONE;
		}
	}
	return taken;
}

INLINE u32 node_of_flow(struct __sk_buff *skb, const struct how *how, const struct packet *packet, u64 now)
{
	struct taken *known = map_lookup(&flows, &packet->flow);
	if (known && is_usable(skb, how, packet, known, now)) {
		if (known->visited != HEARD_OF_NONE)
			known->at = now;
		return known->node;
	}
	if (how->flags & PASSES_ON && packet->flow.protocol == TCP && !packet->begins && !packet->part)
		return ME;
	struct taken taken = chosen(skb, how, packet, now);
	if (!packet->error && !packet->later)
		map_update(&flows, &packet->flow, &taken, 0);
	return taken.node;
}

// All parts of a datagram go where the first that came went: to the node of its flow, if that part says its ports.
INLINE u32 node_of_part(struct __sk_buff *skb, const struct how *how, const struct packet *packet, u64 now)
{
	struct datagram datagram = {.id = packet->id, .protocol = packet->flow.protocol};
	__builtin_memcpy(datagram.address, packet->flow.address, 16);
	__builtin_memcpy(datagram.client, packet->flow.client, 16);
	struct taken *known = map_lookup(&datagrams, &datagram);
	if (known && now - known->at < SAME_DATAGRAM)
		return known->node;
	struct taken taken = {.at = now, .node = node_of_flow(skb, how, packet, now)};
	map_update(&datagrams, &datagram, &taken, 0);
	return taken.node;
}

// Whether a packet in mid-stream is of a connection of another host: a proxy's have no sockets, their flows are known.
INLINE int is_elsewhere(struct __sk_buff *skb, const struct how *how, const struct packet *packet)
{
	if (how->flags & RETURNS)
		return !is_open(skb, packet);
	struct taken *known = map_lookup(&flows, &packet->flow);
	return known && known->node != ME;
}

// The verdict on a packet to `key`.
INLINE int on_flow(struct __sk_buff *skb, const struct key *key, const struct how *how)
{
	struct packet packet = {};
	struct station from = {};
	u32 first = 0;
	u64 *until = map_lookup(&lease, &first);
	u64 now = ktime_get_ns();
	if (!until || now > *until + TAKEN_OVER || !read_packet(skb, &packet) || skb_load(skb, 6, from.mac, 6))
		return NEXT;
	struct counts *counts = map_lookup(&tallies, key);
	u32 *peer = map_lookup(&stations, &from);
	if (peer || map_lookup(&peers, &from))
		return from_peer(skb, how, &packet, peer ? *peer : 0, counts, now);
	if (now > *until) {   // the process hangs, and another takes over in moments: what is not of this host waits for that
		int waits = packet.flow.protocol == TCP && !packet.begins && !packet.part && !packet.error;
		return waits && is_elsewhere(skb, how, &packet) ? DROP : NEXT;
	}
	u32 node = packet.part ? node_of_part(skb, how, &packet, now) : node_of_flow(skb, how, &packet, now);
	struct station *station = place_of(skb, node);
	if (!station)
		return NEXT;
	count(skb, counts);
	return send(skb, how, station->mac);
}
