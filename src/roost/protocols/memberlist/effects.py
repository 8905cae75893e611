"""What the SWIM machine wants done or known, and where it collects that."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roost.protocols.machine import Effect, Endpoint, SendDatagram
from roost.protocols.memberlist.messages import Message

if TYPE_CHECKING:
    from roost.protocols.memberlist.members import Member

__all__ = [
    "Change",
    "Fault",
    "MemberChanged",
    "NameTaken",
    "OpenExchange",
    "Outbox",
    "SendFrame",
    "UserData",
    "UserState",
]

Change = Literal["join", "leave", "dead", "update", "suspect", "alive", "accused"]


@dataclass(frozen=True, slots=True)
class OpenExchange(Effect):
    """Connect to `target` over TCP, send `request`, and report the reply or the failure under `id`.

    The driver gives up at `deadline` (seconds on the machine's scale).
    """

    id: int
    target: Endpoint
    request: Message
    deadline: float


@dataclass(frozen=True, slots=True)
class SendFrame(Effect):
    """Send `data` (bytes, complete packet) to the member `to` in a frame of the LAN (see `frames`).

    `target` is where it is over UDP. Losing it is allowed, as is having no way to send it.
    """

    to: str
    target: Endpoint
    data: bytes


@dataclass(frozen=True, slots=True)
class MemberChanged(Effect):
    """`member` is as it is now; `evidence` says for people why.

    join: new, or back from dead or left. leave: went by itself. dead: declared so. suspect, alive:
    a suspicion began or was refuted. update: other metadata. accused: this node itself was declared dead,
    and refutes; `by` is the name of who did, where that is known.
    """

    kind: Change
    member: "Member"
    evidence: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Fault(Effect):
    """Something wrong that an operator may want to see; `kind` is a stable word, `detail` for people."""

    kind: str
    detail: str
    source: Endpoint | None


@dataclass(frozen=True, slots=True)
class NameTaken(Effect):
    """Somebody else bears this node's name, at `endpoint` and with metadata `meta`."""

    endpoint: Endpoint
    meta: bytes


@dataclass(frozen=True, slots=True)
class UserData(Effect):
    """A user message for whoever sits above membership."""

    payload: bytes
    source: Endpoint


@dataclass(frozen=True, slots=True)
class UserState(Effect):
    """What a peer sent beside its whole state, for whoever sits above membership."""

    state: bytes
    source: Endpoint


class Outbox:
    """Effects until the driver takes them, oldest first, and the counters of the machine.

    At most `limit` of them can be losable ones (datagrams, faults, user data): hostile input costs
    counters, not memory. The rest is bounded by the member table and by what the driver asks for.
    """

    def __init__(self, limit: int) -> None:
        self.counters: Counter[str] = Counter()
        self._limit = limit
        self._effects: list[Effect] = []
        self._losable = 0

    def put(self, effect: MemberChanged | OpenExchange) -> None:
        """Add an effect that must not be lost."""
        self._effects.append(effect)

    def put_losable(
        self, effect: SendDatagram | SendFrame | Fault | NameTaken | UserData | UserState
    ) -> None:
        """Add an effect, unless too many wait already."""
        if self._losable >= self._limit:
            self.counters["effects_dropped"] += 1
            return
        self._losable += 1
        self._effects.append(effect)

    def fault(self, kind: str, detail: str, source: Endpoint | None = None) -> None:
        """Count a fault and report it."""
        self.counters[f"fault_{kind.replace('-', '_')}"] += 1
        self.put_losable(Fault(kind, detail, source))

    def drain(self) -> list[Effect]:
        """Hand over everything."""
        if not self._effects:
            return []
        taken, self._effects = self._effects, []
        self._losable = 0
        return taken
