"""Whether a subject is silent, and whether that is enough to call it gone. Pure."""

from collections.abc import Mapping
from typing import Final

from roost.protocols.witness.own_link import OwnLink
from roost.protocols.witness.pace import Pace
from roost.protocols.witness.timing import Timing
from roost.protocols.witness.voice import ProbeKind
from roost.protocols.witness.watched import Watched
from roost.protocols.words.statement import Kind

__all__ = ["Jury"]

_PATIENCE: Final = 2.0  # silence lasts this many times the longest gap of late: a full link is slow, not dead
_LONGEST: Final = 0.25  # seconds: the most that a bad link can slow a verdict down
_MANY: Final = 5  # losses that a verdict takes after twice the silence


class Jury:
    """Judges the subjects in `watches`, with the other witnesses' words; times are seconds.

    Where there are others `together` needs the word of one of them: a process may be silent for the reason
    that keeps this node from hearing their words, which says nothing about hosts.
    """

    def __init__(
        self,
        timing: Timing,
        pace: Pace,
        own_link: OwnLink,
        watches: Mapping[str, Watched],
        *,
        together: bool,
    ) -> None:
        self._timing = timing
        self._together = together
        self._pace = pace
        self._own_link = own_link
        self._watches = watches

    def lost(self, watch: Watched, now: float) -> int:
        """Count the probes since the last answer that ought to have been answered by now."""
        return watch.decisive.lost(now - self._timing.flight)

    def is_silent(self, watch: Watched, now: float) -> bool:
        """Tell whether a subject has been silent for long enough."""
        voice = watch.decisive
        threshold = max(self._timing.silence, min(_PATIENCE * voice.gap, _LONGEST))
        since = max(voice.silent_since(self._timing.slack, watch.missed_since), self._own_link.awake_since)
        echo = watch.voices.get(ProbeKind.ECHO, voice)
        if echo.answers and echo.heard > since:
            return False  # too few to be proven, but no fabric said it
        # While this process did not run it asked nothing, so nobody was silent.
        silent = now - since - self._own_link.asleep_since(since)
        lost, losses = self.lost(watch, now), self._pace.losses(watch)
        # Who cannot ask often, on a busy host, has time on its side.
        enough = min(_MANY, losses) if silent >= 2 * threshold else losses
        return silent >= threshold and lost >= enough

    def agreement(self, watch: Watched, now: float) -> str:
        """Return who or what confirms the silence, or "" while nothing does."""
        words = self._verdicts(watch, now)
        agreeing = sorted(witness for witness, kind in words.items() if kind is Kind.SILENT)
        if agreeing and Kind.SEEN not in words.values():
            return f"so {'says' if len(agreeing) == 1 else 'say'} {', '.join(agreeing)}"
        if self.is_alone(watch, now) and self._own_link.works(watch, now):
            return "no other witness speaks, and others on the LAN answer this node"
        return ""

    def is_alone(self, watch: Watched, now: float) -> bool:
        """Tell whether no other witness speaks, so that this node's own link has to be proven."""
        if self._verdicts(watch, now) or (watch.others and self._together):
            return False
        waited = watch.asked is not None and now - watch.asked >= 2 * self._timing.silence
        if not waited and any(self._is_credible(witness, now) for witness in watch.others):
            return False
        # The others may be short of budget, not of doubts.
        return not watch.others or self.lost(watch, now) >= self._timing.losses

    def _verdicts(self, watch: Watched, now: float) -> dict[str, Kind]:
        """Return what other witnesses have found of late; that they look, too, is no finding.

        Who is silent itself may find everybody silent, for it may be deaf; and so may this node.
        """
        return {
            witness: kind
            for witness, (kind, when) in watch.word.items()
            if now - when < 4 * self._timing.silence
            and (kind is Kind.SEEN or (kind is Kind.SILENT and self._is_credible(witness, now)))
        }

    def _is_credible(self, witness: str, now: float) -> bool:
        """Tell whether a word of `witness` is worth waiting for: it is not silent itself."""
        watch = self._watches.get(witness)
        return watch is None or not self.is_silent(watch, now)

    def evidence(self, watch: Watched, now: float) -> str:
        """Return for people what a verdict rests on."""
        lost, silence = self.lost(watch, now), (now - watch.decisive.heard) * 1e3
        told = f"{lost} probes in {silence:.0f} ms were not answered"
        if watch.main is ProbeKind.ARP:
            return told
        if watch.arp_answers:
            return f"{told} (ICMP echo), although ARP was: a proxy or the fabric answers for it"
        asked = watch.voices[ProbeKind.ARP].lost(now - self._timing.flight)
        return f"{told} (ICMP echo, {'and ARP neither' if asked else 'ARP was not asked'})"
