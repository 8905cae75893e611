"""The outages of a lab per event, client and address, as data. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from roost.lab.events import Event
from roost.lab.held import Break
from roost.lab.records import Outage, Pings, outage

__all__ = ["Row", "elsewhere", "rows", "summary"]

Sightings = Mapping[str, Mapping[str, Pings]]  # client -> address -> pings


@dataclass(frozen=True, slots=True)
class Row:
    """What one client saw of one event, at the addresses that the node led.

    `broken` counts the connections that broke from then to the next event, to any address.
    """

    event: Event
    client: str
    outages: Mapping[str, Outage]
    broken: int = 0

    @property
    def longest(self) -> float:
        """The longest outage over the addresses, in seconds."""
        return max((each.longest for each in self.outages.values()), default=0.0)

    @property
    def lost(self) -> int:
        """The pings lost at the addresses."""
        return sum(each.lost for each in self.outages.values())

    @property
    def moves(self) -> int:
        """How often an address was answered by another node than before."""
        return sum(each.moves for each in self.outages.values())

    @property
    def sent(self) -> int:
        """The pings sent to the addresses."""
        return sum(each.sent for each in self.outages.values())


def rows(
    events: Sequence[Event], seen: Sightings, breaks: Mapping[str, Iterable[Break]] = MappingProxyType({})
) -> list[Row]:
    """Return a row for each event and client; an event's window ends where the next event begins.

    `breaks` are the connections that broke, by client.
    """
    ends = [event.at for event in events[1:]] + [float("inf")]
    return [
        Row(
            event,
            client,
            {address: outage(pings[address], event.at, end) for address in _affected(event, events)},
            sum(event.at <= each.at < end for each in breaks.get(client, ())),
        )
        for event, end in zip(events, ends, strict=False)  # without events there is one end too many
        for client, pings in seen.items()
    ]


def _affected(event: Event, events: Sequence[Event]) -> Sequence[str]:
    """Return the addresses that an event can move: those that its node led then, or at its first event."""
    return event.addresses or next(each.addresses for each in events if each.node == event.node)


def elsewhere(events: Sequence[Event], seen: Sightings) -> dict[str, Any]:
    """Return the JSON-able figures of the addresses that no event can move, from the first event on."""
    touched = {address for event in events for address in _affected(event, events)}
    begin = events[0].at if events else 0.0
    found = [
        outage(pings, begin, float("inf"))
        for addresses in seen.values()
        for address, pings in addresses.items()
        if address not in touched
    ]
    return {
        "outage_ms": _ms(max((each.longest for each in found), default=0.0)),
        "lost": sum(each.lost for each in found),
        "moves": sum(each.moves for each in found),
        "sent": sum(each.sent for each in found),
    }


def summary(found: Sequence[Row]) -> dict[str, Any]:
    """Return the JSON-able figures: outages in milliseconds, rounded to 0.1."""
    return {
        "outage_ms": _ms(max((row.longest for row in found), default=0.0)),
        "lost": sum(row.lost for row in found),
        "moves": sum(row.moves for row in found),
        "sent": sum(row.sent for row in found),
        "broken": sum(row.broken for row in found),
        "events": [
            {
                "event": row.event.label,
                "node": row.event.node,
                "client": row.client,
                "outage_ms": _ms(row.longest),
                "lost": row.lost,
                "sent": row.sent,
                "moves": row.moves,
                "broken": row.broken,
                "outages_ms": {address: _ms(each.longest) for address, each in row.outages.items()},
            }
            for row in found
        ],
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 1)
