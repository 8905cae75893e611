"""Stand-in: moves here from `protocols.sightings`."""

from dataclasses import dataclass

from roost.protocols.sightings import News, Sighting, decode, encode

__all__ = ["News", "Sighting", "Sightings", "decode", "encode"]


@dataclass(frozen=True, slots=True)
class Sightings:
    """Several sightings."""

    news: News
    sightings: tuple[Sighting, ...]
