"""Many clients with kernels of their own, which ping one service address; one process drives them all."""

import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.system.netns import Namespace, Network
from tests.system.speakers import Lan

__all__ = ["Crowd", "Seen", "crowd"]

PORT = 7
_LATE = 1.0  # seconds for the last answers
_SWITCH_PORTS = 100  # the first port's number: those of the LAN itself come before


@dataclass
class Seen:
    """What one client saw: who answered, in order, how many pings were lost, the longest time without any."""

    who: list[str] = field(default_factory=list)
    sent: int = 0
    answered: int = 0
    longest: float = 0.0
    last: float = 0.0

    @property
    def lost(self) -> int:
        return self.sent - self.answered


class Crowd:
    """Clients c0, c1, ... on the LAN, namespaces of `net`; `address` is what they ping."""

    def __init__(self, net: Network, clients: Sequence[Namespace], address: str) -> None:
        self._net = net
        self.clients = clients
        self._address = address
        self._sockets: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for client in clients:
            with client.entered():
                sock = socket.socket(family, socket.SOCK_DGRAM)
                sock.connect((address, PORT))
            sock.setblocking(False)
            self._sockets.append(sock)

    def forget(self) -> None:
        """Empty the neighbour tables, so that all ask anew."""
        for client in self.clients:
            client.ip("neigh flush all")

    def ping(
        self,
        seconds: float,
        period: float = 0.02,
        then: Callable[[], None] | None = None,
        at: float = 0.5,
    ) -> list[Seen]:
        """Let each ping every `period` seconds; let `then` run from `at` seconds on. Return what each saw.

        The pings go on beside `then`, at their pace: what a busy machine leaves out is not made up for in one
        burst, which would be too much for the servers' sockets. They end `seconds` after the first one, but
        not before `then` has.
        """
        seen = [Seen() for _ in self.clients]
        poll = select.epoll()
        by_descriptor = {sock.fileno(): number for number, sock in enumerate(self._sockets)}
        for sock in self._sockets:
            poll.register(sock, select.EPOLLIN)
        begin = due = time.monotonic()
        for each in seen:
            each.last = begin
        with ThreadPoolExecutor(1) as beside:
            moved: Future[None] | None = None
            while (now := time.monotonic()) < begin + seconds or (moved and not moved.done()):
                if then and not moved and now >= begin + at:
                    moved = beside.submit(then)
                if now >= due:
                    due = max(due + period, now)
                    self._send(seen)
                for descriptor, _ in poll.poll(max(0.0, due - time.monotonic())):
                    self._take(by_descriptor[descriptor], seen)
            if moved:
                moved.result()
        end = time.monotonic() + _LATE
        while sum(each.lost for each in seen) and time.monotonic() < end:
            for descriptor, _ in poll.poll(0.1):
                self._take(by_descriptor[descriptor], seen)
        poll.close()
        return seen

    def by_node(self, seen: Sequence[Seen]) -> Counter[str]:
        """Return how many clients each node answered last."""
        return Counter(each.who[-1] if each.who else "nobody" for each in seen)

    def close(self) -> None:
        """Unplug them, so that others may come."""
        for sock in self._sockets:
            sock.close()
        for client in self.clients:
            client.ip("link del eth0")  # the switch's end as well, at once
        self._net.remove(self.clients)

    def _send(self, seen: Sequence[Seen]) -> None:
        for sock, each in zip(self._sockets, seen, strict=True):
            each.sent += 1
            try:
                sock.send(struct.pack("=Q", each.sent))
            except OSError:
                continue  # no neighbour now

    def _take(self, number: int, seen: Sequence[Seen]) -> None:
        each = seen[number]
        try:
            while data := self._sockets[number].recv(64):
                now, who = time.monotonic(), data[8:].decode()
                each.answered += 1
                if each.answered > 1:
                    each.longest = max(each.longest, now - each.last)
                each.last = now
                if not each.who or each.who[-1] != who:
                    each.who.append(who)
        except OSError:
            return


def crowd(net: Network, nodes: Lan, count: int, address: str) -> Crowd:
    """Plug so many clients into the LAN of `nodes`."""
    clients = []
    for number in range(count):
        client = net.add(f"c{number}")
        port = f"p{_SWITCH_PORTS + number}"
        net.veth(nodes.switch, port, client, "eth0")
        nodes.switch.ip(f"link set {port} master br0")
        client.ip(f"addr add 192.0.2.{102 + number}/24 dev eth0")
        client.ip(f"addr add 2001:db8::1:{number:x}/64 dev eth0 nodad")
        clients.append(client)
    return Crowd(net, clients, address)
