"""What the decider wants done. The speaker carries it out on this host, the simulator on a simulated LAN."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from roost.model.address import IPAddress
from roost.model.announcement import Announcement
from roost.model.check import Check
from roost.model.event import Event
from roost.model.flow import Flow
from roost.model.link import Link
from roost.model.role import Change
from roost.model.service import Service
from roost.model.spreading import Spread, Station
from roost.protocols.machine import Effect, Endpoint
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.words.codec import Word
from roost.protocols.words.metadata import Metadata
from roost.protocols.words.sightings import Sighting
from roost.protocols.words.verdict import Ground

__all__ = [
    "Announce",
    "Answer",
    "Ask",
    "AskHosts",
    "AskProxy",
    "Became",
    "Correct",
    "Count",
    "Declare",
    "Deliver",
    "Describe",
    "Doubt",
    "Follow",
    "ForgetTracked",
    "Happened",
    "HearAdverts",
    "Hold",
    "Isolate",
    "Join",
    "LetWait",
    "Listen",
    "LoosenTracked",
    "NextHop",
    "Notice",
    "Onward",
    "Open",
    "PassOn",
    "Probe",
    "Renew",
    "Resolve",
    "SendAdvert",
    "SpreadOut",
    "Target",
    "Teach",
    "Tell",
    "Track",
    "Vouch",
]


@dataclass(frozen=True, slots=True)
class Answer(Effect):
    """Answer for exactly these addresses, also when asked by unicast."""

    announcements: Mapping[IPAddress, Announcement]


@dataclass(frozen=True, slots=True)
class ForgetTracked(Effect):
    """Forget the connections to these addresses that this host tracks: another node has led them since.

    Any node can pick one that lives up from its next packet.
    """

    addresses: frozenset[IPAddress]


@dataclass(frozen=True, slots=True)
class LoosenTracked(Effect):
    """Take the packets of connections to these addresses as they come, though this host tracks them.

    Another node may have gone on with them meanwhile: what is remembered of their windows is old then.
    """

    addresses: frozenset[IPAddress]


@dataclass(frozen=True, slots=True)
class Announce(Effect):
    """Send one round of gratuitous ARP or unsolicited NA for each; report what found the queue full.

    `sparing`: one frame for each, where ARP is counted; else both kinds that hosts learn from.
    """

    addresses: tuple[IPAddress, ...]
    sparing: bool = False


@dataclass(frozen=True, slots=True)
class Correct(Effect):
    """Tell these clients alone, by unicast, that their addresses are here."""

    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Ask(Effect):
    """Ask the LAN who has each address, teaching nobody anything; the answers come as claims."""

    addresses: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class Renew(Effect):
    """Requests may be answered until then (the machine's scale, seconds), and not a moment longer."""

    until: float


@dataclass(frozen=True, slots=True)
class Tell(Effect):
    """Send a word to each of the members `to`; losing it is allowed."""

    to: tuple[str, ...]
    word: Word


@dataclass(frozen=True, slots=True)
class Describe(Effect):
    """Gossip this about the node itself; `state` are words for peers that exchange their whole state."""

    metadata: Metadata
    state: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Declare(Effect):
    """Tell everybody a verdict that was come to outside of SWIM; the member may refute it."""

    ground: Ground


@dataclass(frozen=True, slots=True)
class Vouch(Effect):
    """Let SWIM's suspicion of `name` wait for `seconds`: it is heard, which `why` says for people."""

    name: str
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Doubt(Effect):
    """Let SWIM look at `names`, the newly doubted first; without any it may take its time.

    Witnesses hear all others, and notice at once when they do no more.
    """

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class LetWait(Effect):
    """Let what peers send this node alone `wait` for its next wake, their probes and answers, or wake it.

    It waits only while this node wakes every few hundredths of a second anyway.
    """

    wait: bool


@dataclass(frozen=True, slots=True)
class Isolate(Effect):
    """Accuse nobody in gossip while `isolated`: this node is the one that is cut off."""

    isolated: bool


@dataclass(frozen=True, slots=True)
class Join(Effect):
    """Exchange whole states with these."""

    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Resolve(Effect):
    """Find out the addresses of a host that is named in the configuration; report them."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Hold(Effect):
    """Hold a lifeline to each of these (name -> endpoint), and report whose process has ended."""

    peers: Mapping[str, Endpoint]


@dataclass(frozen=True, slots=True)
class Target:
    """An address of node `name`, asked for by unicast at `mac` (6 bytes) on the link with index `link`.

    It is its kernel's own, or one that its `process` answers for.
    """

    name: str
    address: IPAddress
    link: int
    mac: bytes
    process: bool = False


@dataclass(frozen=True, slots=True)
class Probe(Effect):
    """Ask `target` once, by that kind; the answer is reported with its time of arrival."""

    target: Target
    kind: ProbeKind


@dataclass(frozen=True, slots=True)
class Listen(Effect):
    """Listen for answers of exactly these targets."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class AskHosts(Effect):
    """Ask up to `count` hosts outside the cluster, by that kind.

    They are `hosts` (address, MAC of 6 bytes), heard of late, then neighbours that this host's kernel knows.
    """

    hosts: tuple[tuple[IPAddress, bytes], ...]
    kind: ProbeKind
    count: int


@dataclass(frozen=True, slots=True)
class Notice(Effect):
    """Hear questions and claims about exactly these addresses: all that are wanted, led here or not."""

    addresses: frozenset[IPAddress]


@dataclass(frozen=True, slots=True)
class Open(Effect):
    """Answer, ask and announce on exactly these links."""

    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Deliver(Effect):
    """Terminate exactly these addresses on this host, and report which ones could be had."""

    addresses: frozenset[IPAddress]


@dataclass(frozen=True, slots=True)
class AskProxy(Effect):
    """Find out whether this node's proxy passes on the traffic of `service`; report when it does."""

    service: Service


@dataclass(frozen=True, slots=True)
class Track(Effect):
    """Make exactly these checks again and again; report each result."""

    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Teach(Effect):
    """Let this host's kernel know where a client is: `link` is an index, `mac` 6 bytes."""

    link: int
    client: IPAddress
    mac: bytes


@dataclass(frozen=True, slots=True)
class Follow(Effect):
    """Count packets that still come here for exactly these addresses, and report who sends them.

    What comes from the hardware addresses `beside` was passed on by a peer, and does not count.
    """

    addresses: frozenset[IPAddress]
    beside: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where a packet goes as it is: `address` on the link with index `link`, at `mac` (6 bytes)."""

    address: IPAddress
    link: int
    mac: bytes


@dataclass(frozen=True, slots=True)
class Onward:
    """Where packets of connections go that this host does not know.

    `first` takes what comes from clients, `upward` what a peer that stands before this node has passed on,
    `led` what the leader has, which has the hardware addresses `leader` where it stands behind this node:
    None is nobody. What any other peer has passed on is dropped: the two do not agree on who leads, and the
    client sends it again. So is what comes from the hardware addresses `returned`: it would go back to a node
    that has left as far as this one knows, and passes on. `flows` are UDP flows that a peer has named.
    `unreached`: there is no way to a node that holds some just now, so what goes nowhere is dropped, too,
    where it would be refused.
    """

    UNCERTAIN: ClassVar = 3.0  # seconds, see `ends`

    first: NextHop | None = None
    upward: NextHop | None = None
    led: NextHop | None = None
    leader: frozenset[bytes] = frozenset()
    returned: frozenset[bytes] = frozenset()
    flows: Mapping[Flow, NextHop] = field(default_factory=lambda: MappingProxyType({}))
    unreached: bool = False

    def ends(self, before: "Onward | None") -> bool:
        """Tell whether what peers pass on goes no further from here, other than `before`.

        For `UNCERTAIN` seconds what is unknown here is dropped, not refused: perhaps not all peers know yet
        who holds it.
        """
        if before is None:
            return True
        return (self.upward is None and before.upward is not None) or (
            self.led is None and before.led is not None
        )


@dataclass(frozen=True, slots=True)
class PassOn(Effect):
    """Pass on exactly this, before anything that follows is done; a connection begun here stays here.

    `peers` are the hardware addresses that passed-on packets come from, `before` those of peers that stand
    before this node. This host's own connections are remembered for `remember` seconds without a packet.
    """

    onward: Mapping[IPAddress, Onward]
    peers: frozenset[bytes] = frozenset()
    before: frozenset[bytes] = frozenset()
    remember: float = 600.0


@dataclass(frozen=True, slots=True)
class SpreadOut(Effect):
    """Spread the connections of exactly these addresses over the nodes, while requests may be answered.

    `places` are where the nodes are, by the link's index and the node's number.
    """

    spreads: Mapping[IPAddress, Spread] = field(default_factory=lambda: MappingProxyType({}))
    places: Mapping[tuple[int, int], Station] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Count(Effect):
    """Report again and again which flows this host holds for exactly these addresses."""

    addresses: frozenset[IPAddress]


@dataclass(frozen=True, slots=True)
class HearAdverts(Effect):
    """Listen for VRRP on exactly these links (by index), for these families (4, 6); report what comes."""

    links: Mapping[int, frozenset[int]]


@dataclass(frozen=True, slots=True)
class SendAdvert(Effect):
    """Send a VRRP packet on the link with index `link`, from the hardware address `mac` if given."""

    link: int
    source: IPAddress
    destination: IPAddress
    data: bytes
    mac: bytes | None = None


@dataclass(frozen=True, slots=True)
class Happened(Effect):
    """Something that people and programs may want to know."""

    event: Event


@dataclass(frozen=True, slots=True)
class Became(Effect):
    """A service has another role on this node; each follows on the one before, without a gap."""

    change: Change
