"""`python -m bench NAME [OPTIONS]`: run one benchmark, or list them."""

import sys
from importlib import import_module

BENCHMARKS = {
    "failover": "silent death of the leader: Roost's profiles, keepalived, plain memberlist",
    "vrrp": "silent death of the VRRP master at three intervals: Roost beside keepalived",
    "handover": "SIGTERM of the leader under 500 packets/s: packets lost",
    "track": "the leader's server process ends: until a client's connections get elsewhere",
    "connections": "open TCP connections over planned moves and a killed speaker: broken, longest echo",
    "forward": "balancing to backends: connections over the death of a node, throughput, reloads",
    "sharing": "64 clients of one shared address: answered once, who notices a cut, bandwidth of 3 nodes",
    "page": "failover and handover, written into docs/reference as a page with a plot",
    "many": "500 addresses on the dead node: from the verdict to the last gratuitous frame",
    "arp": "ARP and NS round trip and share answered in a flood, beside the kernel's own",
    "hung": "the leading speaker is stopped (SIGSTOP): its last answer, and the first one of another",
    "reload": "SIGHUP with thousands of services: the longest moment in which the event loop stood still",
    "live": "the page open in 20 browsers, 2,000 services: memory, failover without and with them",
    "hostile": "garbage, false claims and idle streams at 1,000 a second each: log, memory, moves",
    "cost": "memory with 500 addresses, processor when idle, start to first answer, beside keepalived",
    "sizing": "memory, processor and packets of idle nodes, by nodes and addresses",
    "idle": "processor, wakes and packets of 3 or 10 idle speakers, beside another tree",
    "services": "2,000 Services on a real API server: time to addresses, memory, a restart",
    "simulation": "1,000 simulated nodes, some of them slow: false verdicts beside plain SWIM and Lifeguard",
    "soak": "overlapping faults for minutes, watched from outside: silences and double answers",
    "busy_members": "10 Roost and 3 Go members with both cores kept busy: false verdicts",
}

if len(sys.argv) < 2 or sys.argv[1] not in BENCHMARKS:
    for name, about in BENCHMARKS.items():
        print(f"{name:14} {about}")
    sys.exit(2)
import_module(f"bench.{sys.argv[1]}").main(sys.argv[2:])
