"""What the decider wants, in the log at level debug: all but what is wanted many times a second."""

import logging
from typing import Final

from roost.decide import effects
from roost.protocols.machine import Effect

__all__ = ["trace"]

_log = logging.getLogger("roost.decide")

_ROUTINE: Final = (effects.Renew, effects.Probe, effects.Listen, effects.SendAdvert, effects.Happened)
_MOST: Final = 300  # characters


def trace(effect: Effect) -> None:
    """Log an effect."""
    if not isinstance(effect, _ROUTINE) and _log.isEnabledFor(logging.DEBUG):
        text = str(effect)
        _log.debug("%s", text if len(text) <= _MOST else text[: _MOST - 1] + "…")
