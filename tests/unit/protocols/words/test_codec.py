"""Every word of Roost on the wire: heard as told, bounded, open to newer versions only."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.fitness import Fitness
from roost.model.flow import UDP, Flow
from roost.model.node import Verdict
from roost.protocols.errors import PacketError
from roost.protocols.machine import Endpoint
from roost.protocols.words.codec import (
    PAYLOAD_LIMIT,
    STATE_LIMIT,
    UnknownWordError,
    Word,
    decode,
    decode_state,
    encode,
    encode_state,
)
from roost.protocols.words.draining import Ask, Progress
from roost.protocols.words.fates import Fate, Fates
from roost.protocols.words.fit import Fit, FitRow
from roost.protocols.words.held import FLOWS_LIMIT, HELD_LIMIT, Held, HeldFlows, HeldRow
from roost.protocols.words.macs import Macs
from roost.protocols.words.sightings import News, Sighting, Sightings
from roost.protocols.words.statement import Kind, Statement
from roost.protocols.words.tenures import LAST_TERM, TENURES_LIMIT, Tenures
from roost.protocols.words.unable import Unable
from roost.protocols.words.verdict import Ground

names = st.text(max_size=63)
macs = st.binary(min_size=6, max_size=6).filter(lambda mac: not mac[0] & 1)
ipv4 = st.builds(IPv4Address, st.integers(0, 2**32 - 1))
ipv6 = st.builds(IPv6Address, st.integers(0, 2**128 - 1))
sightings = st.builds(Sighting, ipv4, ipv4, macs) | st.builds(Sighting, ipv6, ipv6, macs)
counts = st.integers(0, 2**63)
ended = st.sampled_from([verdict for verdict in Verdict if not verdict.active])
endpoints = st.none() | st.builds(Endpoint, (ipv4 | ipv6).map(str), st.integers(0, 65535))
lost = st.sampled_from([verdict for verdict in Verdict if verdict.lost])
fates = st.builds(
    Fate, names, st.integers(0, 1 << 31), st.none() | lost, endpoints, st.text("abc", max_size=120)
)
rows = st.tuples(names, st.lists(macs, min_size=1, max_size=3).map(tuple))
held = st.builds(HeldRow, ipv4 | ipv6, st.integers(0, 2**31), st.integers(0, 86400))
ports = st.integers(0, 65535)
flows = st.builds(Flow, st.just(UDP), ipv4, ports, ipv4, ports) | st.builds(
    Flow, st.just(UDP), ipv6, ports, ipv6, ports
)
fitness = st.builds(Fitness, st.booleans(), st.integers(-1000, 1000), st.text("abc", max_size=100))
tenures = st.tuples(ipv4 | ipv6, st.integers(1, LAST_TERM))
words: st.SearchStrategy[Word] = st.one_of(
    st.builds(Ground, names, ended, st.text(max_size=100)),
    st.builds(Ask, names, names, st.none() | st.booleans()),
    st.builds(Progress, names, st.booleans(), counts, counts, st.floats(0, 1e9), counts),
    st.builds(Sightings, st.sampled_from(News), st.lists(sightings, max_size=25).map(tuple)),
    st.builds(Statement, st.sampled_from(Kind), names, names),
    st.builds(Unable, names, st.lists(ipv4 | ipv6, max_size=64).map(tuple), counts),
    st.builds(Macs, st.lists(rows, max_size=5).map(tuple)),
    st.builds(Held, names, st.lists(held, max_size=HELD_LIMIT).map(tuple), st.booleans()),
    st.builds(HeldFlows, names, st.lists(flows, max_size=FLOWS_LIMIT).map(tuple)),
    st.builds(Fates, st.lists(fates, max_size=3).map(tuple)),
    st.builds(Tenures, names, st.lists(tenures, max_size=TENURES_LIMIT).map(tuple)),
    st.builds(
        Fit,
        names,
        st.lists(st.builds(FitRow, names, fitness, st.integers(0, 1 << 62)), max_size=4).map(tuple),
    ),
)
GOOD_HELD = Held("n1", (HeldRow(IPv4Address("192.0.2.1"), 17, 600),))
GOOD: tuple[Word, ...] = (
    Ground("n1", Verdict.DEAD, "silent"),
    Ask("n1", "n2", None),
    Progress("n1", True, 1, 2, 3.0, 4),
    Sightings(News.STALE, (Sighting(IPv4Address("192.0.2.1"), IPv4Address("192.0.2.9"), bytes(6)),)),
    Statement(Kind.SILENT, "n1", "n2"),
    Unable("n1", (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")), 3),
    Macs((("n1", (bytes(6),)),)),
    GOOD_HELD,
    HeldFlows("n1", (Flow(UDP, IPv4Address("192.0.2.9"), 5353, IPv4Address("192.0.2.1"), 53),)),
    Fit("n1", (FitRow("web", Fitness(False, -50, "tcp 127.0.0.1:80: Connection refused"), 1 << 40),)),
    Tenures("n1", ((IPv4Address("192.0.2.1"), 3),)),
    Fates((Fate("n1", 2, Verdict.DEAD, Endpoint("192.0.2.11", 7946), "silent"), Fate("n2", 3, None))),
)


@given(words)
def test_what_was_told_is_heard(word: Word) -> None:
    payload = encode(word)
    assert len(payload) <= PAYLOAD_LIMIT
    assert decode(payload) == word


@pytest.mark.parametrize(
    ("word", "row"),
    [
        (Ground("n1", Verdict.PROCESS_GONE, "why"), ["verdict", "n1", "process gone", "why"]),
        (Ask("n1", "n2", True), ["drain", "n1", "n2", True]),
        (Progress("n1", True, 1, 2, 3.5, 4), ["drained", "n1", True, 1, 2, 3.5, 4]),
        (Statement(Kind.LOOK, "n1", "n2"), ["look", "n1", "n2"]),
        (
            Sightings(
                News.KNOWN, (Sighting(IPv4Address("192.0.2.1"), IPv4Address("192.0.2.9"), b"\2" + bytes(5)),)
            ),
            ["clients", [[b"\xc0\0\2\1", b"\xc0\0\2\x09", b"\2" + bytes(5)]]],
        ),
        (Unable("n1", (IPv4Address("192.0.2.1"),), 7), ["unable", "n1", [b"\xc0\0\2\1"], 7]),
        (Macs((("n1", (b"\2" + bytes(5),)),)), ["macs", [["n1", [b"\2" + bytes(5)]]]]),
        (
            GOOD_HELD,
            ["held", "n1", [[b"\xc0\0\2\1", 17, 600]], False],
        ),
        (
            HeldFlows("n1", (Flow(UDP, IPv4Address("192.0.2.9"), 5353, IPv4Address("192.0.2.1"), 53),)),
            ["flows", "n1", [[b"\xc0\0\2\x09", 5353, b"\xc0\0\2\1", 53]]],
        ),
    ],
)
def test_the_wire_form_is_the_one_that_other_versions_read(word: Word, row: list[object]) -> None:
    assert encode(word) == msgpack.packb(["roost", *row])


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_nothing_but_the_parsers_own_error(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode(data)
    if data:
        with pytest.raises(PacketError):
            decode_state(data)


@given(words, st.data())
def test_a_changed_message_is_read_or_refused_but_breaks_nothing(word: Word, data: st.DataObject) -> None:
    payload = bytearray(encode(word))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    for changed in (bytes(payload), bytes(payload[:cut])):
        with suppress(PacketError):
            decode(changed)
        with suppress(PacketError):
            decode_state(msgpack.packb(["roost", "state", [changed]]))


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text()
    | st.binary(max_size=17),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=8,
)
kinds = st.sampled_from(
    [
        "verdict",
        "drain",
        "drained",
        "clients",
        "stale",
        "look",
        "seen",
        "silent",
        "unable",
        "macs",
        "fit",
        "state",
    ]
)


@given(kinds, st.lists(json, max_size=6))
def test_fields_of_any_type_are_read_or_refused_but_break_nothing(kind: str, fields: list[object]) -> None:
    message = msgpack.packb(["roost", kind, *fields])
    for read in (decode, decode_state):
        with suppress(PacketError):
            read(message)


@given(words, st.lists(json, min_size=1, max_size=3))
def test_what_a_newer_version_appends_is_ignored(word: Word, more: list[object]) -> None:
    message = msgpack.packb([*msgpack.unpackb(encode(word)), *more])
    if len(message) <= PAYLOAD_LIMIT:
        assert decode(message) == word


@pytest.mark.parametrize("word", GOOD, ids=lambda word: type(word).__name__)
def test_what_is_missing_is_refused(word: Word) -> None:
    row = msgpack.unpackb(encode(word))
    appended = 1 if isinstance(word, Held) else 0  # since there are older versions
    for length in range(2, len(row) - appended):
        with pytest.raises(PacketError):
            decode(msgpack.packb(row[:length]))


def test_what_an_older_version_says_that_a_node_holds_is_no_hearsay() -> None:
    row = msgpack.unpackb(encode(GOOD_HELD))
    assert decode(msgpack.packb(row[:-1])) == GOOD_HELD


@pytest.mark.parametrize("word", GOOD, ids=lambda word: type(word).__name__)
def test_truncated_words_are_refused(word: Word) -> None:
    payload = encode(word)
    for length in range(len(payload)):
        with pytest.raises(PacketError):
            decode(payload[:length])


def test_a_kind_of_a_newer_version_is_told_from_what_is_not_roosts() -> None:
    with pytest.raises(UnknownWordError) as caught:
        decode(msgpack.packb(["roost", "unheard of", {1: [b"x"]}]))
    assert caught.value.kind == "unheard of"
    for foreign in (["serf", "look", "n1", "n2"], ["roost"], ["roost", 1], {"roost": 1}, 7, []):
        with pytest.raises(PacketError) as other:
            decode(msgpack.packb(foreign))
        assert not isinstance(other.value, UnknownWordError)


@pytest.mark.parametrize(
    "row",
    [
        ["verdict", "n1", "alive", ""],
        ["verdict", "n1", "unheard of", ""],
        ["verdict", 1, "dead", ""],
        ["verdict", "n1", ["dead"], ""],
        ["drain", "n1", "n2", 1],
        ["drain", b"n1", "n2", True],
        ["drain", "n" * 2000, "n2", True],
        ["drained", "n1", True, "1", 2, 3.0],
        ["drained", "n1", True, -1, 2, 3.0],
        ["drained", "n1", True, 1, 2, float("nan")],
        ["drained", "n1", True, 1, 2, float("inf")],
        ["look", "n1", None],
        ["clients", [["192.0.2.1", b"\x01\x02\x03\x04", bytes(6)]]],
        ["clients", [[bytes(4), bytes(16), bytes(6)]]],
        ["clients", [[bytes(5), bytes(5), bytes(6)]]],
        ["clients", [[bytes(4), bytes(4), bytes(5)]]],
        ["clients", [[bytes(4), bytes(4), b"\xff" * 6]]],
        ["clients", [[bytes(4), bytes(4)]]],
        ["clients", [1]],
        ["clients", 1],
        ["clients", [[bytes(4), bytes(4), bytes(6)]] * 200],
        ["unable", "n1", [bytes(4)] * 65, 1],
        ["unable", "n1", [bytes(5)], 1],
        ["unable", "n1", ["192.0.2.1"], 1],
        ["unable", "n1", [], "1"],
        ["unable", 1, [], 1],
        ["macs", [["n1", [bytes(6)]]] * 17],
        ["macs", [["n1", [bytes(6)] * 9]]],
        ["macs", [["n1", [b"\x01" + bytes(5)]]]],
        ["macs", [["n1"]]],
        ["macs", [[b"n1", []]]],
        ["fit", "n1", [["web", True, 0, ""]]],
        ["fit", "n1", [["web", 1, 0, "", 1]]],
        ["fit", "n1", [["web", True, 1 << 40, "", 1]]],
        ["fit", "n1", [["web", True, 0, "", -1]]],
        ["fit", "n1", [["web", True, 0, "", 1]] * 33],
        ["state", []],
    ],
)
def test_messages_of_another_shape_are_refused(row: list[object]) -> None:
    with pytest.raises(PacketError):
        decode(msgpack.packb(["roost", *row]))


@given(st.text(max_size=2000))
def test_long_evidence_is_cut_to_fit(evidence: str) -> None:
    word = decode(encode(Ground("n1", Verdict.DEAD, evidence)))
    assert isinstance(word, Ground)
    assert evidence.startswith(word.evidence)
    assert len(word.evidence) >= min(len(evidence), 100)


def test_more_addresses_than_fit_are_cut_even_with_the_longest_name() -> None:
    addresses = tuple(IPv6Address(number) for number in range(100))
    for name, least in (("n1", 64), ("n" * 256, 60)):
        word = decode(encode(Unable(name, addresses, 2**63)))
        assert isinstance(word, Unable)
        assert word.addresses == addresses[: len(word.addresses)]
        assert len(word.addresses) >= least


def test_what_does_not_fit_is_an_error_of_the_sender() -> None:
    client = Sighting(IPv6Address(1), IPv6Address(2), bytes(6))
    for word in (
        Sightings(News.KNOWN, (client,) * 40),
        Macs((("n1", (bytes(6),)),) * 17),
        Macs((("n1", (bytes(6),) * 9),)),
        Statement(Kind.LOOK, "n" * 2000, "n2"),
    ):
        with pytest.raises(ValueError, match="more"):
            encode(word)


@given(st.sampled_from(News), st.lists(sightings, max_size=80))
def test_many_sightings_take_messages_that_fit(news: News, told: list[Sighting]) -> None:
    heard = [decode(encode(word)) for word in Sightings.batches(news, told)]
    assert all(isinstance(word, Sightings) and word.news is news for word in heard)
    assert [each for word in heard if isinstance(word, Sightings) for each in word.sightings] == told


@given(st.lists(st.tuples(st.text(max_size=64), st.lists(macs, max_size=20).map(tuple)), max_size=40))
def test_many_hardware_addresses_take_messages_that_fit(told: list[tuple[str, tuple[bytes, ...]]]) -> None:
    heard = [decode(encode(word)) for word in Macs.batches(told)]
    pairs = [(n, mac) for word in heard if isinstance(word, Macs) for n, row in word.rows for mac in row]
    assert pairs == [(name, mac) for name, row in told for mac in row]


@given(st.lists(words, max_size=20))
def test_a_state_of_words_is_read_as_it_was_written(told: list[Word]) -> None:
    assert decode_state(encode_state(told)) == tuple(told)


def test_peers_without_a_state_say_nothing() -> None:
    assert decode_state(b"") == ()


def test_a_state_is_bounded_both_ways() -> None:
    many = encode_state([GOOD[4]] * 1000)
    assert len(decode_state(many)) == 256
    long = Unable("n1", tuple(IPv6Address(number) for number in range(64)))
    large = encode_state([long] * 1000)
    assert len(large) <= STATE_LIMIT
    assert 50 <= len(decode_state(large)) < 256
    for refused in (
        msgpack.packb(["roost", "state", [encode(GOOD[4])] * 257]),
        msgpack.packb(["roost", "state", [bytes(1300)] * 60]),
        msgpack.packb(["roost", "other", []]),
        msgpack.packb(["roost", "state", ["text"]]),
        msgpack.packb(["roost", "state", [b"\xc1"]]),
        encode(GOOD[4]),
        b"\xdd\x00\x00\xff\xff" * 10_000,
        b"\x91" * 60_000,
    ):
        with pytest.raises(PacketError):
            decode_state(refused)


def test_words_that_only_newer_versions_know_are_left_out_of_a_state() -> None:
    newer = msgpack.packb(["roost", "unheard of", 1])
    state = msgpack.packb(["roost", "state", [encode(GOOD[0]), newer, encode(GOOD[1])], "appended"])
    assert decode_state(state) == GOOD[:2]


@pytest.mark.parametrize(
    "row",
    [
        ["n1", -1, "dead", b"", 0, ""],
        ["n1", 1 << 40, "dead", b"", 0, ""],
        ["n1", 1, "alive", b"", 0, ""],
        ["n1", 1, "leaving", b"", 0, ""],
        ["n1", 1, "dead", b"\1", 0, ""],
        ["n1", 1, "dead", b"\1" * 4, 70_000, ""],
        ["n1", 1, "dead"],
        "n1",
    ],
)
def test_a_fate_of_another_shape_is_refused(row: object) -> None:
    with pytest.raises(PacketError):
        decode(msgpack.packb(["roost", "fates", [row]]))


@given(st.lists(fates, max_size=60))
def test_fates_are_told_in_as_many_words_as_it_takes(told: list[Fate]) -> None:
    heard = [decode(encode(word)) for word in Fates.batches(told)]
    assert [fate for word in heard if isinstance(word, Fates) for fate in word.rows] == told
