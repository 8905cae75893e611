"""Whether it is this node that is cut off, rather than all the others.

Two signs: its own kernel says that the link has no carrier, or several peers that used to answer, and
everybody else on the LAN, have been silent for a while. Such a node takes over nothing, accuses nobody, and
knows nothing fresh when it hears others again. Pure: time comes in.
"""

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final

from roost.model.link import Link
from roost.protocols.machine import Endpoint, soonest

__all__ = ["SEVERAL", "Isolation", "has_carrier"]

SEVERAL: Final = 2  # peers that do not fall silent together: it is this node that hears nobody
_DEAF: Final = 0.25  # seconds without a word from anybody, several peers among them
_WONDER: Final = 0.1  # seconds without a word after which hosts are asked,
_ASK: Final = 0.03  # again and again,
_ASK_ON: Final = 0.1  # and while this node is cut off: of its peers none may be left when it is no more
_ASLEEP: Final = 0.1  # seconds between two looks, after which this process was not running


class Isolation:
    """`cut_off` by silence, `unplugged` by its own links."""

    def __init__(self) -> None:
        self.cut_off = False
        self.unplugged = False
        self._spoken_at = float("-inf")  # when anybody was heard last
        self._heard_at = float("-inf")  # the same, or since when silence counts
        self._asked_at = float("-inf")
        self._looked = float("-inf")
        self._since = float("-inf")  # when it was cut off
        self._wondered = float("-inf")
        self._asks_soon = False
        self._accusation: float | None = None  # when to judge whether an accusation is right

    @property
    def isolated(self) -> bool:
        """Whether this node must not accuse others."""
        return self.cut_off or self.unplugged

    def heard(self, at: float) -> bool:
        """Take a sign of life of any other machine on the LAN; tells whether this node is cut off no more.

        One that came `at` a time before it was proves nothing.
        """
        self._spoken_at = max(self._spoken_at, at)
        return self._begin_anew(at)

    def _begin_anew(self, at: float) -> bool:
        """Let silence count from `at`; tells whether this node is cut off no more."""
        self._heard_at = max(self._heard_at, at)
        if not self.cut_off or at < self._since:
            return False
        self.cut_off = False
        return True

    def hears(self, now: float) -> bool:
        """Tell whether anybody was heard of late, in truth: looks that come seldom begin the silence anew."""
        return now - self._spoken_at <= _DEAF

    def cut_off_from(self, now: float) -> None:
        """Take that this node has been cut off since `now`."""
        self.cut_off, self._since, self._wondered = True, now, now

    def plug(self, now: float, *, carrier: bool) -> bool:
        """Take whether this node's links work; tells whether they do again: silence begins anew then."""
        back = self.unplugged and carrier
        self.unplugged = not carrier
        if back:
            self._begin_anew(now)
        return back

    def ask_soon(self) -> None:
        """Let others be asked at the next look: this node was away, and has to know whether it hears."""
        self._asks_soon = True

    def accused(self, now: float) -> None:
        """Hear over gossip that this host is silent on the LAN: find out whether it is deaf."""
        self._asked_at = now
        self._accusation = now + _DEAF

    def wonders(self, now: float, proven: int) -> bool:
        """Tell whether others have to be asked, who could say that this node is not cut off, or no more."""
        if self.cut_off:
            wonders = now >= self._wondered + _ASK_ON
        else:
            wonders = proven >= SEVERAL and now - self._heard_at >= _WONDER and now - self._wondered >= _ASK
        if not (wonders or self._asks_soon):
            return False
        self._wondered, self._asks_soon = now, False
        return True

    def look(self, now: float, proven: int) -> bool:
        """Judge, `proven` watched peers having answered before; tells whether it is cut off from now on."""
        if now - self._looked > _ASLEEP:
            self._heard_at = max(self._heard_at, now)  # who did not listen cannot say that nobody spoke
        self._looked = now
        deaf = proven >= SEVERAL and now - self._heard_at > _DEAF
        if self._accusation is not None and now >= self._accusation:
            self._accusation = None
            deaf = deaf or self._heard_at < self._asked_at
        news = deaf and not self.cut_off
        if news:
            self.cut_off_from(now)
        return news

    def next_wake(self) -> float | None:
        """When a look is wanted at the latest, beside every look of the witnesses."""
        return soonest((self._accusation, self._wondered + _ASK_ON if self.cut_off else None))


def has_carrier(links: Collection[Link], bind: Endpoint | None) -> bool:
    """Tell whether the link that carries this node's gossip works, as far as that can be told.

    With a wildcard address it is any link with an address. Without gossip there is nothing to lose, and
    without any link, lo neither, nobody has looked yet.
    """
    if bind is None or not links:
        return True
    host = ip_address(bind.host)
    if host.is_loopback:
        return True
    carrying = [
        link
        for link in links
        if not link.loopback
        and (bool(link.addresses) if host.is_unspecified else any(host == each.ip for each in link.addresses))
    ]
    return any(link.up and link.carrier for link in carrying)
