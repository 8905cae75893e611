"""Stand-in: one encode and decode for all words."""

from roost.protocols import draining, sightings, verdicts
from roost.protocols.draining import Ask, Progress
from roost.protocols.errors import PacketError
from roost.protocols.verdicts import Ground
from roost.protocols.words.sightings import Sightings

__all__ = ["Word", "decode", "encode"]

Word = Ground | Ask | Progress | Sightings


def encode(word: Word) -> bytes:
    """Return the payload of a user message."""
    if isinstance(word, Ground):
        return verdicts.encode(word)
    if isinstance(word, Sightings):
        return sightings.encode(word.news, word.sightings)[0]
    return draining.encode(word)


def decode(payload: bytes) -> Word:
    """Read a user message; raises PacketError."""
    try:
        return verdicts.decode(payload)
    except PacketError:
        pass
    try:
        return draining.decode(payload)
    except PacketError:
        return Sightings(*sightings.decode(payload))
