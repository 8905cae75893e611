"""One watched subject: what it has answered, and what is said of it. State, and no decision."""

from dataclasses import dataclass, field
from math import inf

from roost.protocols.witness.voice import ProbeKind, Voice
from roost.protocols.words.statement import Kind

__all__ = ["Watched"]


@dataclass(slots=True)
class Watched:
    """Times are seconds on the machine's scale."""

    others: frozenset[str]
    phase: float  # of routine ARP, a share of its spacing
    follows: bool  # another witness asks at the full pace
    voices: dict[ProbeKind, Voice]
    pressed_until: float = 0.0  # somebody asked to look,
    missed_since: float = inf  # having asked in vain since then
    asked: float | None = None  # when the first answer was missed
    looked: bool = False  # the others were asked to look since
    proved: float | None = None  # when this node's own link proved that it works, since then
    compared: float | None = None  # `asked` of the silence in which ARP was asked, too
    told: float = 0.0  # when they were told last that it is silent
    word: dict[str, tuple[Kind, float]] = field(default_factory=dict)  # the others' last, and when
    declared: bool = False
    arp_ceased: bool = False  # ARP was answered, is no more, and echo is

    main: ProbeKind = ProbeKind.ARP  # the kind whose silence decides
    decisive: Voice = field(init=False)  # what the main kind has got

    def __post_init__(self) -> None:
        self.decide()

    def decide(self) -> None:
        """Find the main kind: echo once it is proven."""
        echo = self.voices.get(ProbeKind.ECHO)
        self.main = ProbeKind.ECHO if echo is not None and echo.proven else ProbeKind.ARP
        self.decisive = self.voices[self.main]

    def is_urgent(self, now: float) -> bool:
        """Tell whether it has to be looked at closely."""
        suspicious = self.asked is not None or self.pressed_until > now
        return suspicious and self.decisive.proven and not self.declared

    @property
    def arp_answers(self) -> bool:
        """Whether ARP was answered for a host whose echo is silent since it has been missed."""
        arp = self.voices[ProbeKind.ARP]
        asked = self.asked
        return self.main is ProbeKind.ECHO and asked is not None and arp.answers > 0 and arp.heard >= asked
