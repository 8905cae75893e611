"""Probing peers' kernels on the LAN, holding lifelines to their processes, and verdicts from both.

    links, members -> which peers to probe, and where        answers -> Witness -> verdicts, words to others

A peer is asked for its own address by ICMP echo and by ARP or Neighbor Solicitation, which its kernel
answers, and by the latter for one that it leads, which its process answers; all that is ARP shares one
budget. Peers that were declared dead are asked for now and then, so that their return is seen at once. One
packet socket per link in use. A peer that shares no link with this node, or has no address there, is not
probed: SWIM and the lifeline alone judge it.
"""

import asyncio
import logging
import secrets
import select
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from pathlib import Path
from typing import Final

from roost.membership.cluster import ClusterMember
from roost.membership.lifelines import Hold, Lifelines
from roost.membership.lost_peers import LostPeers
from roost.model.address import IPAddress
from roost.model.node import Verdict
from roost.model.witnesses import duties
from roost.protocols import arp, ethernet, icmp, ndp
from roost.protocols import filter as filters
from roost.protocols.errors import PacketError
from roost.protocols.verdicts import Ground
from roost.protocols.witness import statement
from roost.protocols.witness.budget import Budget
from roost.protocols.witness.machine import (
    PROCESS,
    AskLan,
    Declare,
    Probe,
    ProbeKind,
    Tell,
    Timing,
    Witness,
)
from roost.runtime.links import Link
from roost.runtime.packet_socket import PacketSocket

__all__ = ["Witnessing"]

_log = logging.getLogger("roost.membership")

_LOST_INTERVAL: Final = 0.2  # seconds between two looks for lost peers
_DEAF: Final = 0.25  # seconds without a word from anybody, several peers among them: this node is cut off
_ASLEEP: Final = 0.1  # seconds between two looks, after which this process was not running
_MOMENT: Final = 0.0005  # seconds: there and back on a LAN, and short enough to hold up nothing else
_LAN_HOSTS: Final = 4  # asked at once when this node has to prove its own link
_NEIGHBOURS: Final = Path("/proc/net/arp")
_COMPLETE: Final = 0x2  # ATF_COM: the neighbour's hardware address is known


@dataclass(frozen=True, slots=True)
class _Target:
    """How to probe `name` for one of its addresses on the link with this index.

    `macs` are all hardware addresses of the node: an answer from any other one is a proxy's. `frames` are the
    questions of the kinds that can be asked there.
    """

    name: str
    address: IPAddress
    link: int
    mac: bytes
    macs: frozenset[bytes]
    frames: Mapping[ProbeKind, bytes]


class Witnessing:
    """Watches the peers that fall to node `me`; `declare(ground)` takes a verdict.

    `tell(names, payload)` sends a user message to peers, `hold` holds a lifeline to one. `on_cut_off()` is
    called when this node hears nobody any more, `on_return(alone)` when a lost peer answers again, and with
    True when this node, having been cut off, hears others. `hosts()` gives some others of the LAN, with their
    hardware addresses (6 bytes). `arp_rate` as `Budget` has it. Without `timing` nothing is watched.
    """

    def __init__(
        self,
        me: str,
        timing: Timing | None,
        *,
        arp_rate: float | None,
        tell: Callable[[Iterable[str], bytes], None],
        declare: Callable[[Ground], None],
        hold: Hold,
        on_cut_off: Callable[[], None],
        on_return: Callable[[bool], None],
        hosts: Callable[[], Iterable[tuple[IPAddress, bytes]]],
    ) -> None:
        self.cut_off = False  # several peers and everybody else fell silent at once
        self.counters: Counter[str] = Counter()
        self._me = me
        self._budget = Budget(arp_rate)
        self._kernels = Witness(me, timing, self._budget) if timing is not None else None
        self._processes = Witness(me, PROCESS, self._budget, kinds=[ProbeKind.ARP])
        self._identifier = secrets.randbelow(icmp.IDENTIFIERS)  # of echo requests
        self._echoing: set[str] = (
            set()
        )  # peers that have answered echo: ARP alone does not prove their return
        self._tell = tell
        self._declare = declare
        self._on_cut_off = on_cut_off
        self._on_return = on_return
        self._hosts = hosts
        self._lost = LostPeers[_Target]()
        self._asked_at = float("-inf")
        self._heard_at = float("-inf")  # from anybody else on the LAN, the loop's time
        self._woken = float("-inf")
        self._looking: asyncio.TimerHandle | None = None
        self._lifelines = Lifelines(hold, self._process_gone, self.counters)
        self._links: Mapping[int, Link] = {}
        self._sockets: dict[int, PacketSocket] = {}
        self._watched: frozenset[str] = frozenset()
        self._targets: dict[str, _Target] = {}
        self._subjects: dict[tuple[int, IPAddress], str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def unproven(self) -> frozenset[str]:
        """Return the peers watched here whose kernels never answered: SWIM alone judges them."""
        proven = self._kernels.proven if self._kernels is not None else lambda _: False
        return frozenset(name for name in self._watched if not proven(name))

    def update(
        self, links: Sequence[Link], members: Sequence[ClusterMember], led: Mapping[str, IPAddress]
    ) -> None:
        """Follow links that announce, members, and an address that each leads and surely answers.

        Raises CapabilityError as opening sockets does.
        """
        if self._kernels is None:
            return
        self._loop = asyncio.get_running_loop()
        self._links = {link.index: link for link in links}
        speakers = {
            member.name: member for member in members if member.verdict.active and member.metadata.version
        }
        watched = duties(self._me, speakers.keys())
        self._watched = frozenset(watched)
        self._lifelines.update(
            {name: endpoint for name in watched if (endpoint := speakers[name].endpoint) is not None}
        )
        kernels = {name: target for name in watched if (target := self._target(speakers[name]))}
        for name, target in kernels.items():
            if name in self._targets and self._targets[name] != target:
                # It has just said so itself: what did not answer at its old place is not dead.
                self._kernels.vouched(name, self._loop.time())
        processes = {
            f"{name} {led[name]}": asked
            for name, target in kernels.items()
            if name in led and (asked := self._ask_for(target, led[name]))
        }
        self._follow_lost(members)
        self._targets = {**self._lost.targets, **kernels, **processes}
        self._subjects = {(target.link, target.address): key for key, target in self._targets.items()}
        self._open()
        now = self._loop.time()
        self._kernels.watch({name: watched[name] for name in kernels}, now)
        self._processes.watch({key: watched[target.name] for key, target in processes.items()}, now)
        self._carry_out()

    def receive(self, payload: bytes) -> None:
        """Take a user message of a peer."""
        if self._kernels is None:
            return
        try:
            heard = statement.decode(payload)
        except PacketError:
            self.counters["foreign_messages"] += 1
            return
        self._drain()
        for machine in self._machines():
            machine.receive(heard, self._loop.time())
        self._carry_out()

    def accused(self) -> None:
        """Hear from a peer, over gossip, that this host is silent on the LAN: find out whether it is deaf."""
        if self._kernels is not None:
            self._drain()
            self._asked_at = self._loop.time()
            self._loop.call_later(_DEAF, self._answer_accusation)

    def lan_heard(self) -> None:
        """Hear that somebody else spoke on a link that announces."""
        self._heard_at = self._loop.time() if self._kernels is not None else self._heard_at
        if self.cut_off:
            self.cut_off = False
            _log.info("others are heard again")
            self._on_return(True)  # noqa: FBT003 - as its contract says

    def close(self) -> None:
        """Stop watching."""
        if self._looking is not None:
            self._looking.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._lifelines.update({})
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()
        self._kernels = None

    def last_heard(self, name: str) -> float | None:
        """Return when the kernel of node `name` answered last, in the loop's time, where that is known."""
        return self._kernels.heard(name) if self._kernels is not None else None

    def _machines(self) -> tuple[Witness, ...]:
        return (self._kernels, self._processes) if self._kernels is not None else ()

    def _follow_lost(self, members: Sequence[ClusterMember]) -> None:
        """Look for members that were declared dead, and no more for those that are back or have left."""
        for member in members:
            if member.verdict.active or member.verdict is Verdict.LEAVING:
                self._lost.found([member.name])
            elif member.metadata.version and (target := self._target(member)):
                self._lost.lost(member.name, target)
        if self._lost.targets and self._looking is None:
            self._looking = self._loop.call_later(_LOST_INTERVAL, self._look_for_lost)

    def _look_for_lost(self) -> None:
        self._looking = None
        self._drain()
        targets = self._lost.targets
        if not targets:
            return
        for target in self._lost.round():
            self._probe(target, ProbeKind.ECHO)
            if target.name not in self._echoing and self._budget.take(self._loop.time()):
                self._probe(target, ProbeKind.ARP)
        if self.cut_off:
            self._ask_lan(ProbeKind.ECHO, _LAN_HOSTS)
            self._ask_lan(ProbeKind.ARP, int(self._budget.take(self._loop.time())))
        self._looking = self._loop.call_later(_LOST_INTERVAL, self._look_for_lost)

    def _answer_accusation(self) -> None:
        self._drain()
        if self._heard_at < self._asked_at:
            self._be_cut_off()

    def _be_cut_off(self) -> None:
        if not self.cut_off:
            self.cut_off = True
            _log.warning("nobody is heard any more: this node takes over nothing until it hears somebody")
            self._on_cut_off()

    def _is_deaf(self) -> bool:
        """Tell whether several peers that used to answer, and all others, have been silent for a while."""
        assert self._kernels is not None  # noqa: S101 - asked for only while watching
        proven = sum(self._kernels.proven(name) for name in self._kernels.subjects)
        return proven >= 2 and self._is_silent()

    def _is_silent(self) -> bool:
        return self._loop.time() - self._heard_at > _DEAF

    def _target(self, member: ClusterMember) -> _Target | None:
        """Return where the kernel of `member` can be asked: on the first link that reaches it."""
        macs = frozenset(member.metadata.macs)
        told = zip(member.metadata.macs, member.metadata.addresses, strict=False)
        found = (
            _Target(member.name, address, link.index, mac, macs, frames)
            for mac, address in told
            if address is not None
            for link in self._links.values()
            if any(address in interface.network for interface in link.addresses)
            and (frames := _questions(link, address, mac, self._identifier))
        )
        return next(found, None)

    def _ask_for(self, target: _Target, address: IPAddress) -> _Target | None:
        """Return how to ask the same host for another address, or None where that cannot be asked."""
        link = self._links[target.link]
        if isinstance(address, IPv4Address):
            # From nobody: the leader must not take this node for a client of the address.
            frames = {ProbeKind.ARP: arp.probe(link.mac, address, target.mac)}
        else:
            frames = dict(_questions(link, address, target.mac, self._identifier))
        return replace(target, address=address, frames=frames) if ProbeKind.ARP in frames else None

    def _process_gone(self, name: str) -> None:
        evidence = "its process has ended: the lifeline was closed and its port is, too"
        self._declare(Ground(name, Verdict.PROCESS_GONE, evidence))

    def _open(self) -> None:
        used = {target.link for target in self._targets.values()}
        for index in self._sockets.keys() - used:
            self._sockets.pop(index).close()
        for index in used:
            asked = [target.address for target in self._targets.values() if target.link == index]
            program = filters.build(asked, echo=self._identifier)
            if index in self._sockets:
                self._sockets[index].set_filter(program)
                continue
            try:
                heard = partial(self._heard, index)
                # Answers can wait for the next look: waking for each would be most of the cost.
                self._sockets[index] = PacketSocket(self._links[index], program, heard, waking=False)
            except OSError as error:  # gone since netlink told of it; it will tell that too
                _log.debug("link %s cannot be probed on: %s", self._links[index].name, error)

    def _wake(self) -> None:
        self._timer = None
        self._drain()  # an answer that is here already must not count as missing
        now = self._loop.time()
        for machine in self._machines():
            machine.wake(now)
        if now - self._woken > _ASLEEP:
            self._heard_at = max(self._heard_at, now)  # who was not listening cannot say that nobody spoke
        self._woken = now
        if self._is_deaf():
            self._be_cut_off()
        self._carry_out()

    def _drain(self) -> None:
        for each in self._sockets.values():
            each.drain()

    def _carry_out(self) -> None:
        for machine in self._machines():
            for effect in machine.effects():
                match effect:
                    case Probe(subject, kind):
                        self._probe(self._targets[subject], kind)
                    case Tell(to, word):
                        self.counters[f"told_{word.kind.value}"] += 1
                        self._tell(to, statement.encode(word))
                    case AskLan(kind, hosts):
                        self._ask_lan(kind, hosts)
                    case Declare(subject, evidence):
                        self._judge(subject, evidence)
        self._fetch()
        self._arm()

    def _fetch(self) -> None:
        """Take the answers that come within moments: a wake-up of its own for them would cost far more."""
        end = self._loop.time() + _MOMENT
        while any(machine.expecting for machine in self._machines()):
            self._drain()
            left = end - self._loop.time()
            if left <= 0 or not any(machine.expecting for machine in self._machines()):
                return
            select.select([each.fileno() for each in self._sockets.values()], [], [], left)

    def _judge(self, subject: str, evidence: str) -> None:
        name = self._targets[subject].name
        self.counters["declared"] += 1
        if subject == name:
            self._declare(Ground(name, Verdict.UNREACHABLE, f"its host is silent: {evidence}"))
        else:
            self._declare(Ground(name, Verdict.PROCESS_GONE, f"its process is silent: {evidence}"))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = [when for machine in self._machines() if (when := machine.next_wake()) is not None]
        if due:
            self._timer = self._loop.call_at(min(due), self._wake)

    def _probe(self, target: _Target, kind: ProbeKind) -> None:
        if target.link in self._sockets and kind in target.frames:
            self.counters["probes"] += 1
            self.counters["arp_probes"] += kind is ProbeKind.ARP
            self._sockets[target.link].send(target.frames[kind])

    def _ask_lan(self, kind: ProbeKind, count: int) -> None:
        for index, link in self._links.items():
            if index not in self._sockets:
                continue
            own = {target.address for target in self._targets.values()}
            others = (host for host in (*_neighbours(link.name), *self._hosts()) if host[0] not in own)
            hosts = list(islice(others, count))
            asked = [address for address, _ in hosts]
            known = [target.address for target in self._targets.values() if target.link == index]
            if kind is ProbeKind.ARP:
                self._sockets[index].set_filter(filters.build([*known, *asked], echo=self._identifier))
            for address, mac in hosts:
                self.counters["lan_asked"] += 1
                if frame := _questions(link, address, mac, self._identifier).get(kind):
                    self._sockets[index].send(frame)

    def _heard(self, index: int, data: bytes) -> None:
        try:
            frame = ethernet.parse(data)
            kind, address, mac = _answer(frame)
        except PacketError:
            return
        if frame.destination != self._links[index].mac or mac != frame.source:
            return
        subject = self._subjects.get((index, address))
        self.lan_heard()
        if subject is not None and mac in self._targets[subject].macs:
            self._hear_lost(subject, kind)
        for machine in self._machines():
            if subject is None:
                machine.lan_answered(self._loop.time(), kind)
            elif mac in self._targets[subject].macs:
                machine.answered(subject, self._loop.time(), kind)

    def _hear_lost(self, subject: str, kind: ProbeKind) -> None:
        """Notice that a lost peer answers again; ARP of one that answers echo may be the fabric's."""
        if kind is ProbeKind.ECHO:
            self._echoing.add(self._targets[subject].name)
        elif subject in self._echoing:
            return
        if self._lost.answered(subject):
            self.counters["returned"] += 1
            self._on_return(False)  # noqa: FBT003 - as its contract says


def _questions(link: Link, address: IPAddress, mac: bytes, identifier: int) -> Mapping[ProbeKind, bytes]:
    """Return the unicast frames that ask the host at `mac` for its own `address`; none without an own one."""
    own = [each for each in link.addresses if each.version == address.version]
    source = next((each.ip for each in own if address in each.network), own[0].ip if own else None)
    if source is None:
        return {ProbeKind.ARP: arp.probe(link.mac, address, mac)} if isinstance(address, IPv4Address) else {}
    echo = icmp.request_frame(icmp.Echo(source, address, identifier, 0), link.mac, mac)
    if isinstance(address, IPv4Address) and isinstance(source, IPv4Address):
        return {ProbeKind.ECHO: echo, ProbeKind.ARP: arp.question(link.mac, source, address, mac)}
    assert isinstance(address, IPv6Address) and isinstance(source, IPv6Address)  # noqa: S101, PT018 - one family
    return {ProbeKind.ECHO: echo, ProbeKind.ARP: ndp.question(link.mac, source, address, mac)}


def _answer(frame: ethernet.Frame) -> tuple[ProbeKind, IPAddress, bytes]:
    """Return which address is at which MAC, by what kind of answer; raises PacketError for other frames."""
    if frame.ethertype == ethernet.IPV4 or (
        frame.ethertype == ethernet.IPV6 and frame.payload[40:41] == b"\x81"
    ):
        return ProbeKind.ECHO, icmp.parse_reply(frame).source, frame.source
    if frame.ethertype == ethernet.ARP:
        packet = arp.parse(frame.payload)
        if packet.operation == arp.REPLY:
            return ProbeKind.ARP, packet.sender, packet.sender_mac
    elif frame.ethertype == ethernet.IPV6:
        message = ndp.parse(frame.payload)
        if isinstance(message, ndp.Advertisement):
            return ProbeKind.ARP, message.target, message.link_layer or frame.source
    raise PacketError("not an answer")


def _neighbours(interface: str) -> list[tuple[IPv4Address, bytes]]:
    """Return the IPv4 neighbours that the kernel knows on `interface`, gateways and clients among them."""
    try:
        lines = _NEIGHBOURS.read_text().splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [
        (IPv4Address(address), bytes.fromhex(mac.replace(":", "")))
        for address, _, flags, mac, _, device in rows
        if device == interface and int(flags, 16) & _COMPLETE
    ]
