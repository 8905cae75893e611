// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// What the programs use of the kernel's interface (include/uapi/linux/bpf.h of Linux), so that no header of the machine
// that builds them counts.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id, family;
	u32 remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
	u64 flow_keys, tstamp;
	u32 wire_len, gso_segs;
};

static void *(*const map_lookup)(const void *map, const void *key) = (void *)1;
static long (*const map_update)(const void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*const ktime_get_ns)(void) = (void *)5;
static long (*const skb_store)(void *skb, u32 offset, const void *from, u32 len, u64 flags) = (void *)9;
static long (*const l3_csum_replace)(void *skb, u32 offset, u64 from, u64 to, u64 size) = (void *)10;
static long (*const redirect)(u32 ifindex, u64 flags) = (void *)23;
static long (*const skb_load)(const void *skb, u32 offset, void *to, u32 len) = (void *)26;
static long (*const csum_diff)(const void *from, u32 from_size, const void *to, u32 to_size, u32 seed) = (void *)28;
static long (*const skb_change_tail)(void *skb, u32 len, u64 flags) = (void *)38;
static long (*const release_socket)(void *socket) = (void *)86;
static void *(*const find_socket)(void *skb, void *tuple, u32 size, u64 netns, u64 flags) = (void *)99;   // of TCP, in any state
static long (*const check_syncookie)(void *socket, void *ip, u32 ip_size, void *tcp, u32 tcp_size) = (void *)100;

enum { NEXT = -1, DROP = 2 };   // TC_ACT_UNSPEC: the next program, or the stack; TC_ACT_SHOT
enum { PACKET_HOST = 0 };

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define AS_IT_IS(x) __asm__ volatile("" : "+r"(x))   // the compiler must not merge comparisons that the verifier wants to see
#define htons(x) ((u16)__builtin_bswap16(x))
#define htonl(x) ((u32)__builtin_bswap32(x))
