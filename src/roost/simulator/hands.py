"""What a simulated process does of what its machines want: the speaker's hands, on a simulated LAN.

What lives here: one method for each effect, and the frames that a responder would send. What it must not
know: when the process runs, why anything is done.
"""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from roost.decide import effects as do
from roost.decide.witnessing.targets import in_turn
from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.check import Check, Interface, Result
from roost.model.link import Link
from roost.model.role import Role
from roost.protocols.machine import Effect, SendDatagram
from roost.protocols.memberlist.effects import (
    Fault,
    MemberChanged,
    OpenExchange,
    SendFrame,
    UserData,
    UserState,
)
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.codec import encode, encode_state
from roost.protocols.words.metadata import Metadata
from roost.protocols.words.metadata import encode as encode_metadata
from roost.simulator.askers import Asked, answered_of
from roost.simulator.inbox import Queue
from roost.simulator.lan import Claim, Question

if TYPE_CHECKING:
    from roost.simulator.process import Process

__all__ = ["Hands"]

_DELIVERY: Final = (0.001, 0.005)  # seconds to give the host other addresses
_COUNT: Final = 0.5  # seconds between two counts of open connections
_LOOK: Final = (0.001, 0.02)  # seconds until a check has its result
_PROXY: Final = (0.02, 0.6)  # seconds until a proxy knows of new endpoints


class Hands:
    """Carries out effects for `process`: `does` has what to do for each kind.

    `answering` and `until` are what its responders were told.
    """

    def __init__(self, process: "Process") -> None:
        self.announcements: Mapping[IPAddress, Announcement] = {}
        self.answering: frozenset[IPAddress] = frozenset()  # on the links that are open
        self.answered: frozenset[Asked] = frozenset()  # the same, and by whom it is asked for
        self.peers: frozenset[bytes] = frozenset()  # whose questions for shared addresses all answer
        self.noticed: frozenset[IPAddress] = frozenset()
        self._turn = 0
        self.until = float("-inf")  # requests may be answered until then, on the host's scale
        self.metadata = Metadata()
        self._open: tuple[Link, ...] = ()
        self._listened: frozenset[tuple[int, IPAddress]] = frozenset()
        self._wanted: frozenset[IPAddress] = frozenset()  # to be terminated on this host
        self._to_deliver: deque[frozenset[IPAddress]] = deque()  # one after the other, as asked for
        self._meta = encode_metadata(self.metadata)
        self._counted: frozenset[IPAddress] = frozenset()
        self._checks: tuple[Check, ...] = ()
        self._asking: set[str] = set()  # services whose proxy is being asked
        self.roles: dict[str, Role] = {}  # by service
        self._process = process
        self._host = process.host
        self.does = self._table()

    def _table(self) -> Mapping[type[Effect], Callable[[Any], None]]:
        host, process, swim = self._host, self._process, self._process.swim
        return {
            SendDatagram: lambda e: host.send_datagram(e.target, e.data),
            SendFrame: lambda e: host.send_frame(e.target, e.data),
            MemberChanged: process.member_changed,
            OpenExchange: process.streams.open,
            UserData: lambda e: process.hear(e.payload),
            UserState: lambda e: process.hear_state(e.state),
            Fault: lambda _: None,
            do.Answer: self._answer,
            do.Announce: self._announce,
            do.Correct: self._correct,
            do.Ask: self._ask,
            do.Renew: self._renew,
            do.Notice: self._notice,
            do.Open: self._open_links,
            do.Tell: lambda e: swim.tell(e.to, encode(e.word), host.time()),
            do.Describe: self._describe,
            do.Declare: self._declare,
            do.Vouch: lambda e: swim.vouch(e.name, e.seconds, e.why, host.time()),
            do.LetWait: lambda e: process.let_peers_wait(wait=e.wait),
            do.Doubt: lambda e: swim.doubt(e.names, host.time()),
            do.Isolate: lambda e: swim.isolate(e.isolated, host.time()),
            do.Join: self._join,
            do.Resolve: lambda _: None,  # everybody is named by address here
            do.Hold: lambda e: process.lifelines.update(e.peers),
            do.Probe: self._probe,
            do.Listen: self._listen,
            do.AskHosts: self._ask_hosts,
            do.Deliver: self._deliver,
            do.AskProxy: self._ask_proxy,
            do.Teach: lambda _: None,  # the kernel answers whoever has sent
            do.Follow: self._follow,
            do.PassOn: self._pass_on,
            do.Count: self._count,
            do.SpreadOut: self._spread_out,
            do.Track: self._track,
            do.ForgetTracked: lambda _: None,  # kernels here know any connection to what is balanced
            do.LoosenTracked: lambda _: None,
            do.HearAdverts: lambda _: None,  # the process drops what no router of its is for
            do.SendAdvert: self._send_advert,
            do.Happened: self._happened,
            do.Became: self._became,
        }

    # -- answering -----------------------------------------------------------------------------------

    def may_answer(self) -> bool:
        """Tell whether requests may be answered now."""
        return self._host.time() <= self.until

    def mac(self, address: IPAddress) -> bytes:
        """Return the hardware address that an address is announced with."""
        return self.announcements[address].mac or self._host.mac

    def reply(self, asked: Question) -> None:
        """Answer an ARP request, if this node does and may."""
        if asked.target in self.answering and self.may_answer() and self._is_for_this_node(asked):
            self._host.reply(Claim(asked.target, self.mac(asked.target), gratuitous=False), asked)

    def is_left_to_the_process(self, asked: Question) -> bool:
        """Tell whether the process answers: peers always, for whom that is a sign of life."""
        return not self._host.kernel.answers or self._is_of_a_peer(asked)

    def _is_of_a_peer(self, asked: Question) -> bool:
        return asked.asker is None and asked.mac in self.peers

    def _is_for_this_node(self, asked: Question) -> bool:
        """Tell whether a question for a shared address is this node's to answer, as others always are."""
        share = self.announcements[asked.target].share
        if share is None or asked.direct or self._is_of_a_peer(asked):
            return True
        return share.answers(asked.mac, asked.target)

    def _answer(self, effect: do.Answer) -> None:
        self.announcements = dict(effect.announcements)
        virtual = {told.mac for told in self.announcements.values() if told.mac is not None}
        self._host.port.macs[1:] = sorted(virtual)
        self._settle()

    def _open_links(self, effect: do.Open) -> None:
        self._open = effect.links
        self._settle()

    def _settle(self) -> None:
        names = [link.name for link in self._open]
        self.answering = frozenset(
            address
            for address, told in self.announcements.items()
            if any(told.allows(name) for name in names)
        )
        self.answered = answered_of({each: self.announcements[each] for each in self.answering})
        self._host.kernel.spreading.answering = self.answering
        self._host.answers_changed()

    def _renew(self, effect: do.Renew) -> None:
        self.until = self._host.kernel.spreading.until = effect.until

    def _notice(self, effect: do.Notice) -> None:
        self.noticed = effect.addresses

    def _announce(self, effect: do.Announce) -> None:
        """Send a round of gratuitous ARP: a burst, heard or lost as one."""
        by_mac: dict[bytes, list[Claim]] = {}
        for address in effect.addresses:
            if address in self.answering:
                mac = self.mac(address)
                by_mac.setdefault(mac, []).append(Claim(address, mac, gratuitous=True))
        for mac, claims in by_mac.items():
            self._host.broadcast_claims(mac, tuple(claims))

    def _correct(self, effect: do.Correct) -> None:
        for sighting in effect.sightings:
            if sighting.vip in self.answering:
                mac = self.mac(sighting.vip)
                told = tuple(Claim(sighting.vip, mac, gratuitous=each) for each in (True, False))
                self._host.tell(sighting.mac, mac, told)

    def _send_advert(self, effect: do.SendAdvert) -> None:
        if self._open:
            self._host.send_advert(effect)

    def _ask(self, effect: do.Ask) -> None:
        for address in effect.addresses if self._open else ():
            self._host.broadcast_question(address)

    # -- witnessing ----------------------------------------------------------------------------------

    def _probe(self, effect: do.Probe) -> None:
        target = effect.target
        if self._open:
            self._host.ask(target.address, target.mac, partial(self._answered, effect.kind))

    def _listen(self, effect: do.Listen) -> None:
        self._listened = frozenset((target.link, target.address) for target in effect.targets)

    def _ask_hosts(self, effect: do.AskHosts) -> None:
        known = {address for _, address in self._listened}
        hosts = dict.fromkeys((*effect.hosts, *self._host.kernel.neighbours))
        others = [host for host in hosts if host[0] not in known]
        self._turn += 1
        chosen = in_turn(others, effect.count, self._turn)
        for address, mac in chosen if self._open else ():
            heard = partial(self._process.answered, self._open[0].index, effect.kind)
            self._host.ask(address, mac, heard)

    def _answered(self, kind: ProbeKind, claim: Claim) -> None:
        for link in self._open:
            if (link.index, claim.address) in self._listened:
                self._process.answered(link.index, kind, claim)

    # -- gossip --------------------------------------------------------------------------------------

    def _describe(self, effect: do.Describe) -> None:
        meta = encode_metadata(effect.metadata)
        self.metadata = effect.metadata
        self._process.swim.set_state(encode_state(effect.state))
        if meta != self._meta:
            self._meta = meta
            self._process.swim.set_meta(meta, self._host.time())
            self._process.note_members()

    def _declare(self, effect: do.Declare) -> None:
        now, ground, swim = self._host.time(), effect.ground, self._process.swim
        self._process.roster.note(ground, swim.members, now)
        swim.declare_dead(ground.subject, ground.evidence, now, encode(ground))
        self._host.declared(ground.subject)
        self._host.note("declares", f"{ground.subject} {ground.verdict.value}: {ground.evidence}")

    def _join(self, effect: do.Join) -> None:
        busy = self._process.streams.exchanging
        wanted = [each for each in effect.endpoints if each != self._host.endpoint and each not in busy]
        if wanted:
            self._process.swim.join(wanted, self._host.time())

    # -- delivering ----------------------------------------------------------------------------------

    def deliver_now(self, wanted: frozenset[IPAddress]) -> None:
        """Give the host these addresses, as a speaker does before it begins."""
        self._wanted = wanted
        self.tell_delivery()

    def tell_delivery(self) -> None:
        """Give the host the addresses that are wanted, and tell the decider which could be had."""
        kernel = self._host.kernel
        kernel.balanced = frozenset(
            each for spec in self._process.desired.services if spec.forward for each in spec.addresses
        )
        kernel.delivered = (self._wanted | kernel.balanced) - kernel.refused
        # A process that is frozen hears how it is when it runs again.
        self._process.take(Queue.EVENTS, self._delivered)

    def _delivered(self, now: float) -> None:
        kernel = self._host.kernel
        refused = dict.fromkeys((self._wanted | kernel.balanced) & kernel.refused, "in use elsewhere")
        self._process.decider.delivered(kernel.delivered, refused, now)

    def _deliver(self, effect: do.Deliver) -> None:
        self._to_deliver.append(effect.addresses)
        self._process.later(_DELIVERY, lambda: self.deliver_now(self._to_deliver.popleft()))

    def _ask_proxy(self, effect: do.AskProxy) -> None:
        name = effect.service.name
        if name not in self._asking:
            self._asking.add(name)
            self._process.later(_PROXY, partial(self._proxied, name))

    def _proxied(self, name: str) -> None:
        self._asking.discard(name)
        self._process.take(Queue.EVENTS, partial(self._process.decider.proxied, name))

    def _follow(self, effect: do.Follow) -> None:
        self._host.kernel.followed = effect.addresses

    def _pass_on(self, effect: do.PassOn) -> None:
        self._host.kernel.pass_on(effect)

    def _spread_out(self, effect: do.SpreadOut) -> None:
        self._host.kernel.spreading.spread_out = effect

    def _count(self, effect: do.Count) -> None:
        if effect.addresses and not self._counted and self._host.kernel.counts:
            self._host.clock.after(_COUNT, self._report)
        self._counted = effect.addresses

    def _report(self) -> None:
        """Report the connections that are open, and do so again."""
        if self._process.ended or not self._counted:
            return
        flows = [flow for flow in self._host.kernel.sockets if flow.address in self._counted]
        self._process.take(Queue.EVENTS, partial(self._process.decider.counted, flows))
        self._host.clock.after(_COUNT, self._report)

    def _became(self, effect: do.Became) -> None:
        change = effect.change
        before = self.roles.get(change.service)
        anew = change.before is None and before is Role.STOPPED  # the service was away
        if change.before is not before and not anew:
            raise AssertionError(f"{change} does not follow on {before}")
        self.roles[change.service] = change.role
        self._host.note("became", f"{change.service} {change.role.value}")

    def _track(self, effect: do.Track) -> None:
        self._checks = effect.checks
        self.look_at_checks()

    def look_at_checks(self) -> None:
        """Report how each check is, a moment later."""
        self._process.later(_LOOK, self._report_checks)

    def _report_checks(self) -> None:
        for check in self._checks:
            sick = isinstance(check.subject, Interface) and check.subject.name in self._host.sick
            result = Result(not sick, "it fails" if sick else "it is well")
            self._process.take(Queue.EVENTS, partial(self._process.decider.checked, check, result))

    def _happened(self, effect: do.Happened) -> None:
        facts = " ".join(f"{key}={value}" for key, value in effect.event.facts.items())
        self._host.note(effect.event.what.value, f"{effect.event.text} {facts}")
