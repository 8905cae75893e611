"""Why this node would rather not lead, by its own word.

    lost to the others again and again -> Damping        its source tells nothing any more -> Freshness

It gossips both, so that every election passes it over alike.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from roost.speaker.damping import Damping
from roost.speaker.freshness import Freshness

__all__ = ["Standing"]

_log = logging.getLogger("roost.speaker")

_LOOK: Final = 1.0  # seconds between looks at the source


class Standing:
    """Follows the losses of this node, and its source: `troubled()` tells whether that is silent.

    `others_hear()` tells whether other nodes hear of changes. `changed()` is called when what the node says
    of itself does.
    """

    def __init__(
        self, troubled: Callable[[], bool], others_hear: Callable[[], bool], changed: Callable[[], None]
    ) -> None:
        self._damping = Damping()
        self._freshness = Freshness()
        self._troubled = troubled
        self._others_hear = others_hear
        self._changed = changed

    @property
    def blind(self) -> bool:
        """Whether it hears of no changes."""
        return self._freshness.blind

    @property
    def outdated(self) -> bool:
        """Whether it has not heard of changes for long while others have."""
        return self._freshness.outdated

    @property
    def waits(self) -> int:
        """How many times it was lost of late, 0 when it need not wait for that before it leads."""
        return self._damping.losses if self._damping.waiting(_now()) else 0

    def accused(self) -> None:
        """Learn that the others had lost this node: if that happens often, it waits before it leads again."""
        if not self._damping.lost(_now()):
            return
        _log.warning(
            "lost to the others again and again: waiting before leading",
            extra={"losses": self._damping.losses, "seconds": self._damping.wait},
        )
        asyncio.get_running_loop().call_at(self._damping.until, self._changed)
        self._changed()

    async def watch(self) -> None:
        """Look at the source until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            if self._freshness.look(_now(), troubled=self._troubled(), others_hear=self._others_hear):
                self._log_freshness()
                self._changed()

    def _log_freshness(self) -> None:
        if self.outdated:
            _log.warning("others hear of changes and this node does not: it leads only what they cannot")
        elif self.blind:
            _log.warning("this node hears of no changes: it gives way to the claims of peers that do")
        else:
            _log.info("this node hears of changes again")


def _now() -> float:
    return asyncio.get_running_loop().time()
