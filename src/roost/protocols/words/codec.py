"""The one wire form of all words: a msgpack array in a memberlist user message, or many in the user state.

    ["roost", kind, ...]
    "verdict"                    subject, verdict, evidence
    "drain"                      sender, node, wish               wish: true, false, or nil just to ask
    "drained"                    node, draining, leads, packets, quiet, connections      quiet: seconds
    "clients" "stale"            [[vip, client, mac], ...]
    "look" "seen" "silent"       sender, subject
    "unable"                     node, [address, ...], serial
    "macs"                       [[node, [mac, ...]], ...]
    "held"                       node, [[address, connections, seconds], ...], hearsay
    "flows"                      node, [[client, port, address, port], ...]              of UDP
    "fit"                        node, [[service, fit, weight, why, serial], ...]
    "fates"                      [[node, turn, verdict, address, port, evidence], ...]   gone: verdict is nil
    "tenures"                    node, [[address, term], ...]
    "takes"                      node, [[address, takes], ...], serial

    ["roost", "state", [message, ...]]                            each message as above, packed, as bytes

Addresses are 4 or 16 bytes in network order, hardware addresses 6. A newer version may append fields to a
kind or to a row, which are ignored here, and may say new kinds, which are told from what is not Roost's.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from math import isfinite
from types import MappingProxyType
from typing import Final

import msgpack

from roost.model.address import IPAddress
from roost.model.fitness import Fitness
from roost.model.flow import UDP, Flow
from roost.model.node import Verdict
from roost.protocols.errors import PacketError
from roost.protocols.machine import Endpoint
from roost.protocols.words.draining import Ask, Progress
from roost.protocols.words.fates import FATES_LIMIT, Fate, Fates
from roost.protocols.words.fit import FIT_LIMIT, WHY_SIZE, Fit, FitRow
from roost.protocols.words.held import FLOWS_LIMIT, HELD_LIMIT, Held, HeldFlows, HeldRow
from roost.protocols.words.macs import MACS_LIMIT, ROWS_LIMIT, Macs
from roost.protocols.words.sightings import News, Sighting, Sightings
from roost.protocols.words.statement import Kind, Statement
from roost.protocols.words.takes import TAKES_LIMIT, Takes
from roost.protocols.words.tenures import LAST_TERM, TENURES_LIMIT, Tenures
from roost.protocols.words.unable import UNABLE_LIMIT, Unable
from roost.protocols.words.verdict import Ground

__all__ = [
    "PAYLOAD_LIMIT",
    "STATE_LIMIT",
    "UnknownWordError",
    "Word",
    "decode",
    "decode_state",
    "encode",
    "encode_state",
]

Word = (
    Ground
    | Ask
    | Progress
    | Sightings
    | Statement
    | Unable
    | Macs
    | Fates
    | Held
    | HeldFlows
    | Fit
    | Tenures
    | Takes
)

PAYLOAD_LIMIT: Final = 1400  # bytes: one packet
STATE_LIMIT: Final = 64 << 10  # bytes
_MARK: Final = "roost"
_STATE: Final = "state"
_STATE_WORDS: Final = 256
_ITEMS_LIMIT: Final = 256  # in any array or map: msgpack makes room for them before it has seen them
_EVIDENCE: Final = 400  # bytes
_SHORT_EVIDENCE: Final = 120  # bytes, where a message has several
_OVERHEAD: Final = 40  # bytes: more than mark, kind and msgpack's own ones around a name and a list
_ADDRESS: Final = 18  # bytes of an address in msgpack
_MAC_SIZE: Final = 6  # bytes
_TURNS: Final = 1 << 31
_SERIALS: Final = 1 << 62
_WEIGHTS: Final = 1 << 31
_LAST_PORT: Final = 0xFFFF


class UnknownWordError(PacketError):
    """A message of Roost, but of a `kind` that this version does not know: the sender is newer."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"unknown kind {kind[:40]!r}: the sender runs a newer version")
        self.kind = kind


def encode(word: Word) -> bytes:
    """Return the payload of a user message; raises ValueError when it does not fit, see `batches`.

    Evidence is cut after 400 bytes, and of addresses only the first that fit are told, 64 at most.
    """
    packed = _pack([_MARK, *_row(word)])
    if len(packed) > PAYLOAD_LIMIT:
        raise ValueError(f"{type(word).__name__} takes {len(packed)} bytes, more than {PAYLOAD_LIMIT}")
    return packed


def decode(payload: bytes) -> Word:
    """Read a user message; raises UnknownWordError for new kinds, and PacketError for anything else."""
    kind, fields = _open(payload, PAYLOAD_LIMIT)
    read = _READERS.get(kind)
    if read is None:
        raise UnknownWordError(kind)
    word = read(fields)
    if word is None:
        raise PacketError(f"{kind}: fields of another shape")
    return word


def encode_state(words: Iterable[Word]) -> bytes:
    """Return words as the user state of an exchange, the first that fit; raises ValueError as `encode`."""
    payloads: list[bytes] = []
    room = STATE_LIMIT - _OVERHEAD
    for word in words:
        payload = encode(word)
        room -= len(payload) + 3  # msgpack's own bytes
        if room < 0 or len(payloads) == _STATE_WORDS:
            break
        payloads.append(payload)
    return _pack([_MARK, _STATE, payloads])


def decode_state(data: bytes) -> tuple[Word, ...]:
    """Read the user state of an exchange, empty for peers that say nothing; raises PacketError.

    Words of a kind that only newer versions know are left out.
    """
    if not data:
        return ()
    kind, fields = _open(data, STATE_LIMIT)
    match fields:
        case [list(payloads), *_] if kind == _STATE and len(payloads) <= _STATE_WORDS:
            words: list[Word] = []
            for payload in payloads:
                if not isinstance(payload, bytes):
                    raise PacketError("a word that is no byte string")
                with suppress(UnknownWordError):
                    words.append(decode(payload))
            return tuple(words)
    raise PacketError("no state of Roost")


def _pack(row: list[object]) -> bytes:
    packed: bytes = msgpack.packb(row, unicode_errors="replace")
    return packed


def _open(data: bytes, limit: int) -> tuple[str, list[object]]:
    """Return the kind of a message and its fields; raises PacketError for what is not Roost's."""
    if len(data) > limit:
        raise PacketError(f"{len(data)} bytes, more than {limit}")
    try:
        message = msgpack.unpackb(
            data,
            strict_map_key=False,
            max_str_len=limit,
            max_bin_len=limit,
            max_array_len=_ITEMS_LIMIT,
            max_map_len=_ITEMS_LIMIT,
            max_ext_len=limit,
        )
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise PacketError(f"malformed msgpack: {error}") from None
    match message:
        case ["roost", str(kind), *fields]:
            return kind, fields
    raise PacketError("not a message of Roost")


# -- words to fields -----------------------------------------------------------------------------


def _row(word: Word) -> list[object]:  # noqa: C901, PLR0911, PLR0912 - one for each word
    match word:
        case Ground(subject, verdict, evidence):
            return ["verdict", subject, verdict.value, _cut(evidence, _EVIDENCE)]
        case Ask(sender, node, wish):
            return ["drain", sender, node, wish]
        case Progress(node, draining, leads, packets, quiet, connections):
            return ["drained", node, draining, leads, packets, quiet, connections]
        case Sightings(news, sightings):
            return [news.value, [[each.vip.packed, each.client.packed, each.mac] for each in sightings]]
        case Statement(kind, sender, subject):
            return [kind.value, sender, subject]
        case Unable(node, addresses, serial):
            fit = (PAYLOAD_LIMIT - _OVERHEAD - len(node.encode(errors="replace"))) // _ADDRESS
            told = [each.packed for each in addresses[: min(max(0, fit), UNABLE_LIMIT)]]
            return ["unable", node, told, serial]
        case Macs(rows):
            if len(rows) > ROWS_LIMIT or any(len(macs) > MACS_LIMIT for _, macs in rows):
                raise ValueError("more hardware addresses than a message may have")
            return ["macs", [[name, list(macs)] for name, macs in rows]]
        case Held(node, rows, hearsay):
            held = [[row.address.packed, row.connections, row.seconds] for row in rows]
            return ["held", node, held, hearsay]
        case HeldFlows(node, flows):
            named: list[object] = [[f.client.packed, f.client_port, f.address.packed, f.port] for f in flows]
            return ["flows", node, named]
        case Tenures(node, tenures):
            return ["tenures", node, [[address.packed, term] for address, term in tenures]]
        case Takes(node, rows, serial):
            return ["takes", node, [[address.packed, takes] for address, takes in rows], serial]
        case Fit(node, rows):
            if len(rows) > FIT_LIMIT:
                raise ValueError("more services than a message may have")
            return ["fit", node, [_fit_row(each) for each in rows]]
        case Fates(fates):
            if len(fates) > FATES_LIMIT:
                raise ValueError("more fates than a message may have")
            return ["fates", [_fate_row(each) for each in fates]]


def _fit_row(row: FitRow) -> list[object]:
    fitness = row.fitness
    return [row.service, fitness.fit, fitness.weight, _cut(fitness.why, WHY_SIZE), row.serial]


def _fate_row(fate: Fate) -> list[object]:
    address = ip_address(fate.endpoint.host).packed if fate.endpoint else b""
    port = fate.endpoint.port if fate.endpoint else 0
    verdict = fate.verdict.value if fate.verdict else None
    return [fate.node, fate.turn, verdict, address, port, _cut(fate.evidence, _SHORT_EVIDENCE)]


def _cut(text: str, size: int) -> str:
    """Return as much of `text` as fits into `size` bytes."""
    return text.encode(errors="replace")[:size].decode(errors="ignore")


# -- fields to words, None where they are of another shape ----------------------------------------


def _ground(fields: list[object]) -> Ground | None:
    match fields:
        case [str(subject), str(verdict), str(evidence), *_] if verdict in _ENDED:
            return Ground(subject, _ENDED[verdict], evidence)
    return None


def _ask(fields: list[object]) -> Ask | None:
    match fields:
        case [str(sender), str(node), bool() | None as wish, *_]:
            return Ask(sender, node, wish)
    return None


def _progress(fields: list[object]) -> Progress | None:
    match fields:
        case [str(node), bool(draining), int(leads), int(packets), float(quiet), int(connections), *_]:
            if min(leads, packets, connections) >= 0 and isfinite(quiet) and quiet >= 0:
                return Progress(node, draining, leads, packets, quiet, connections)
    return None


def _sightings(news: News) -> "_Reader":
    def read(fields: list[object]) -> Sightings | None:
        match fields:
            case [list(rows), *_]:
                return Sightings(news, tuple(_sighting(row) for row in rows))
        return None

    return read


def _sighting(row: object) -> Sighting:
    match row:
        case [bytes(vip), bytes(client), mac, *_] if len(vip) == len(client):
            return Sighting(_address(vip), _address(client), _mac(mac))
    raise PacketError("a sighting has two addresses of one family and a hardware address")


def _statement(kind: Kind) -> "_Reader":
    def read(fields: list[object]) -> Statement | None:
        match fields:
            case [str(sender), str(subject), *_]:
                return Statement(kind, sender, subject)
        return None

    return read


def _unable(fields: list[object]) -> Unable | None:
    match fields:
        case [str(node), list(addresses), int(serial), *_] if len(addresses) <= UNABLE_LIMIT:
            return Unable(node, tuple(_address(each) for each in addresses), serial)
    return None


def _macs(fields: list[object]) -> Macs | None:
    match fields:
        case [list(rows), *_] if len(rows) <= ROWS_LIMIT:
            return Macs(tuple(_macs_row(row) for row in rows))
    return None


def _macs_row(row: object) -> tuple[str, tuple[bytes, ...]]:
    match row:
        case [str(name), list(macs), *_] if len(macs) <= MACS_LIMIT:
            return name, tuple(_mac(mac) for mac in macs)
    raise PacketError("a row has a name and a few hardware addresses")


def _held(fields: list[object]) -> Held | None:
    match fields:
        case [str(node), list(rows), *more] if len(rows) <= HELD_LIMIT:
            hearsay = more[:1] == [True]  # an older version does not say
            return Held(node, tuple(_held_row(row) for row in rows), hearsay)
    return None


def _held_row(row: object) -> HeldRow:
    match row:
        case [address, int(connections), int(seconds), *_] if connections >= 0 and seconds >= 0:
            return HeldRow(_address(address), connections, seconds)
    raise PacketError("a row has an address, a number of connections and seconds")


def _flows(fields: list[object]) -> HeldFlows | None:
    match fields:
        case [str(node), list(rows), *_] if len(rows) <= FLOWS_LIMIT:
            return HeldFlows(node, tuple(_udp_flow(row) for row in rows))
    return None


def _udp_flow(row: object) -> Flow:
    match row:
        case [bytes(client), int(client_port), bytes(address), int(port), *_] if len(client) == len(address):
            if 0 <= client_port <= _LAST_PORT and 0 <= port <= _LAST_PORT:
                return Flow(UDP, _address(client), client_port, _address(address), port)
    raise PacketError("a flow has two addresses of one family, each with its port")


def _tenures(fields: list[object]) -> Tenures | None:
    match fields:
        case [str(node), list(rows), *_] if len(rows) <= TENURES_LIMIT:
            return Tenures(node, tuple(_tenure(row) for row in rows))
    return None


def _tenure(row: object) -> tuple[IPAddress, int]:
    match row:
        case [address, int(term), *_] if 0 < term <= LAST_TERM:
            return _address(address), term
    raise PacketError("a row has an address and a term, from 1")


def _takes(fields: list[object]) -> Takes | None:
    match fields:
        case [str(node), list(rows), int(serial), *_] if len(rows) <= TAKES_LIMIT and 0 <= serial <= _SERIALS:
            return Takes(node, tuple(_taking(row) for row in rows), serial)
    return None


def _taking(row: object) -> tuple[IPAddress, bool]:
    match row:
        case [address, bool(takes), *_]:
            return _address(address), takes
    raise PacketError("a row has an address, and whether its connections are taken")


def _fit(fields: list[object]) -> Fit | None:
    match fields:
        case [str(node), list(rows), *_] if len(rows) <= FIT_LIMIT:
            return Fit(node, tuple(_service_fitness(row) for row in rows))
    return None


def _service_fitness(row: object) -> FitRow:
    match row:
        case [str(service), bool(fit), int(weight), str(why), int(serial), *_] if 0 <= serial <= _SERIALS:
            if abs(weight) <= _WEIGHTS:
                return FitRow(service, Fitness(fit, weight, _cut(why, WHY_SIZE)), serial)
    raise PacketError("a row has a service, whether the node is fit, a weight, a reason and a serial")


def _fates(fields: list[object]) -> Fates | None:
    match fields:
        case [list(rows), *_] if len(rows) <= FATES_LIMIT:
            return Fates(tuple(_fate(row) for row in rows))
    return None


def _fate(row: object) -> Fate:
    match row:
        case [str(node), int(turn), str() | None as verdict, bytes(address), int(port), str(evidence), *_]:
            if (verdict is None or verdict in _LOST) and 0 <= turn <= _TURNS and 0 <= port <= _LAST_PORT:
                endpoint = Endpoint(str(_address(address)), port) if address else None
                return Fate(node, turn, None if verdict is None else _LOST[verdict], endpoint, evidence)
    raise PacketError("a fate has a node, a turn, a verdict, an address, a port and evidence")


def _address(value: object) -> IPAddress:
    if not isinstance(value, bytes) or len(value) not in (4, 16):
        raise PacketError("an address has 4 or 16 bytes")
    return ip_address(value)


def _mac(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != _MAC_SIZE or value[0] & 1:
        raise PacketError("a station's hardware address has 6 bytes and an even first one")
    return value


_Reader = Callable[[list[object]], Word | None]

_ENDED: Final[Mapping[str, Verdict]] = MappingProxyType(
    {verdict.value: verdict for verdict in Verdict if not verdict.active}
)
_LOST: Final[Mapping[str, Verdict]] = MappingProxyType(
    {verdict.value: verdict for verdict in Verdict if verdict.lost}
)
_READERS: Final[Mapping[str, _Reader]] = MappingProxyType(
    {
        "verdict": _ground,
        "drain": _ask,
        "drained": _progress,
        **{news.value: _sightings(news) for news in News},
        **{kind.value: _statement(kind) for kind in Kind},
        "unable": _unable,
        "macs": _macs,
        "held": _held,
        "flows": _flows,
        "fit": _fit,
        "fates": _fates,
        "tenures": _tenures,
        "takes": _takes,
    }
)
