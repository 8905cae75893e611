"""What is answered, frame by frame, by the process and by the kernel: the table is `questions.py`."""

import os
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.announce import questions
from tests.unit.announce.questions import HELD, HELD6, LED, LED6, OURS, PEER, SHARED, SHARED6, Question

from roost.announce.answering import Answer, Asked, Inquiry, correction_frames, respond
from roost.announce.kernel_answers import How, KernelAnswers, key_of
from roost.model.address import IPAddress
from roost.model.sharing import Share
from roost.protocols import arp, ethernet, ndp
from roost.protocols.vrrp.packet import virtual_mac
from roost.protocols.words.sightings import Sighting
from roost.runtime.bpf import Hook

NEXT, DROPPED, REDIRECTED = -1, 2, 7  # TC_ACT_UNSPEC, TC_ACT_SHOT, TC_ACT_REDIRECT
LINK = 1  # lo: the program is run on frames, nothing is attached anywhere
OWN = IPv4Address("192.0.2.11")

Responder = Callable[[bytes], tuple[bytes | None, Sighting | None]]  # frame -> reply, who is remembered

needs_bpf = pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs needs root")


SHARES = questions.shares()


def is_ours(inquiry: Inquiry) -> bool:
    share = SHARES.get(inquiry.address)
    return share is None or inquiry.alone or share.answers(inquiry.mac, inquiry.address)


def by_the_process(frame: bytes) -> tuple[bytes | None, Sighting | None]:
    answered: dict[IPAddress, bytes] = dict.fromkeys((LED, LED6, *SHARES), OURS)
    match respond(frame, OURS, answered.get, {*answered, HELD, HELD6}, is_ours=is_ours):
        case Answer(_, reply, asker):
            return reply, asker
        case Asked(_, asker):
            return None, asker
    return None, None


class Kernel:
    """The programs on a link with hardware address OURS, which answers for LED and LED6."""

    def __init__(self, *, router: bool = False, mac: bytes = OURS) -> None:
        self.answers = KernelAnswers()
        self.answers.put({key_of(LINK, each): How(OURS, mac, router, OWN) for each in (LED, LED6)})
        self.answers.put({key_of(LINK, each): How(OURS, None, router, OWN) for each in (HELD, HELD6)})
        self.answers.put(
            {key_of(LINK, each): How(OURS, mac, router, OWN, share.slots) for each, share in SHARES.items()}
        )
        self.answers.renew(time.monotonic() + 600)
        self.ended = False  # whether the last frame was kept from the host's kernel

    def run(self, frame: bytes, hook: Hook = Hook.INGRESS) -> tuple[int, bytes]:
        return self.answers.programs[hook].run(frame, LINK)

    def __call__(self, frame: bytes) -> tuple[bytes | None, Sighting | None]:
        self.answers.askers()
        verdict, after = self.run(frame)
        asker = next((sighting for sighting, _ in self.answers.askers()), None)
        if verdict == REDIRECTED:
            return after, asker
        self.ended = verdict == DROPPED
        assert self.ended or (verdict, after) == (NEXT, frame), "what is not answered passes untouched"
        return None, asker

    def counts(self, address: IPAddress = LED) -> tuple[int, int, int, int]:
        ((_, found),) = self.answers.counts([key_of(LINK, address)])
        return found.answered, found.left, found.late, found.packets


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    made.answers.close()


@pytest.fixture(params=["process", pytest.param("kernel", marks=needs_bpf)])
def responder(request: pytest.FixtureRequest) -> Responder:
    if request.param == "process":
        return by_the_process
    found: Responder = request.getfixturevalue("kernel")
    return found


def read(frame: bytes) -> tuple[ethernet.Frame, object]:
    parsed = ethernet.parse(frame)
    parse = arp.parse if parsed.ethertype == ethernet.ARP else ndp.parse
    return parsed, parse(parsed.payload)


@pytest.mark.parametrize("question", questions.ALL, ids=lambda each: each.name)
def test_a_question_gets_its_answer_or_silence(responder: Responder, question: Question) -> None:
    reply, asker = responder(question.frame)
    assert asker == question.asker
    if question.answer is None:
        assert reply is None
        assert getattr(responder, "ended", question.ends) is question.ends
        return
    assert reply is not None
    frame, message = read(reply)
    assert message == question.answer
    assert (frame.destination, frame.source) == (questions.CLIENT, OURS)
    assert len(reply) <= 86, "no more comes back than an answer has"


@needs_bpf
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([each.frame for each in questions.ALL if each.answer]),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), min_size=1, max_size=3),
    st.integers(54, 120),  # the kernel runs programs on no shorter IPv6 packet
)
@example(questions.solicitation(), [(56, 0), (57, 0)], 120)
def test_both_agree_about_damaged_frames(
    kernel: Kernel, frame: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(frame)
    for at, value in changes:
        damaged[min(at, len(damaged) - 1)] = value
    given_frame = bytes(damaged[:length])
    one, other = by_the_process(given_frame), kernel(given_frame)
    assert one[1] == other[1]
    assert (one[0] is None) == (other[0] is None)
    if one[0] is not None and other[0] is not None:
        assert read(one[0])[1] == read(other[0])[1]


@needs_bpf
def test_a_very_long_solicitation_is_left_to_the_process(kernel: Kernel) -> None:
    frame = questions.long_solicitation()
    assert kernel(frame) == (None, None)
    assert by_the_process(frame)[0] is not None


@needs_bpf
def test_the_router_flag_and_another_hardware_address_are_answered_with() -> None:
    kernel = Kernel(router=True, mac=PEER)
    for question in (questions.request(), questions.solicitation()):
        reply, _ = kernel(question)
        assert reply is not None
        frame, message = read(reply)
        assert frame.source == PEER
        if isinstance(message, ndp.Advertisement):
            assert (message.router, message.link_layer) == (True, PEER)
        else:
            assert isinstance(message, arp.Arp)
            assert message.sender_mac == PEER


@needs_bpf
def test_what_peers_ask_is_left_to_the_process() -> None:
    """It answers them as long as it runs: a kernel that did would hide that it hangs."""
    kernel = Kernel()
    kernel.answers.leave(frozenset({questions.CLIENT, PEER}))
    for question in (questions.request(), questions.solicitation(), arp.probe(questions.CLIENT, LED, OURS)):
        assert kernel(question) == (None, None)
    assert kernel.counts()[:3] == (0, 0, 0)
    kernel.answers.leave(frozenset({PEER}))
    assert kernel(questions.request())[0] is not None
    assert kernel(questions.request(mac=PEER))[0] is None


@needs_bpf
def test_nothing_is_answered_after_the_lease() -> None:
    kernel = Kernel()
    kernel.answers.renew(time.monotonic() - 0.001)
    for question in (questions.request(), questions.solicitation()):
        assert kernel(question) == (None, None)
    assert kernel.counts()[:3] == kernel.counts(LED6)[:3] == (0, 0, 1)
    kernel.answers.renew(time.monotonic() + 600)
    assert kernel(questions.request())[0] is not None
    kernel.answers.renew(float("-inf"))
    assert kernel(questions.request())[0] is None


@needs_bpf
def test_questions_and_packets_are_counted_by_address() -> None:
    kernel = Kernel()
    for _ in range(3):
        kernel.run(questions.request())
    kernel.run(questions.request(HELD))
    mac = bytes(6)  # lo's: sent to this station
    kernel.run(ethernet.build(mac, PEER, ethernet.IPV4, b"\x45" + bytes(15) + LED.packed))
    header = b"\x60" + bytes(5) + b"\x11\x40" + bytes(16) + LED6.packed
    kernel.run(ethernet.build(mac, PEER, ethernet.IPV6, header))
    kernel.run(ethernet.build(PEER, PEER, ethernet.IPV6, header))  # to another station
    kernel.run(questions.solicitation(destination=LED6, to=OURS))
    assert kernel.counts(LED) == (3, 0, 0, 1)
    assert kernel.counts(HELD) == (0, 1, 0, 0)
    assert kernel.counts(LED6) == (1, 0, 0, 1)


@needs_bpf
def test_forged_askers_push_out_the_oldest_and_are_handed_over_in_portions() -> None:
    kernel = Kernel()
    begin = time.monotonic()
    for number in range(9000):
        kernel.run(questions.request(sender=IPv4Address(0x0A000000 + number)))
    portions = []
    while found := kernel.answers.askers():
        portions.append(found)
    assert max(map(len, portions)) <= 512
    seen = {sighting.client for portion in portions for sighting, _ in portion}
    assert 512 < len(seen) <= 4096
    assert IPv4Address(0x0A000000 + 8999) in seen
    assert all(begin < at < time.monotonic() for portion in portions for _, at in portion)


@needs_bpf
def test_maps_grow_and_forget_nothing() -> None:
    kernel = Kernel()
    kernel.run(questions.request())
    programs = kernel.answers.programs
    many = [IPv4Address(0x0A000000 + number) for number in range(3000)]
    kernel.answers.put({key_of(LINK, each): How(OURS, OURS) for each in many})
    assert kernel.answers.programs is not programs
    for address in (LED, *many):
        assert kernel(questions.request(address))[0] is not None, address
    assert kernel.counts()[0] == 2
    kernel.answers.forget([key_of(LINK, LED)])
    assert kernel(questions.request()) == (None, None)


@needs_bpf
def test_tables_of_slots_come_and_go() -> None:
    kernel = Kernel()
    keys = [IPv4Address(0x0A000000 + number) for number in range(40)]
    for turn in range(3):
        tables = {each: (number + turn).to_bytes(512, "little") for number, each in enumerate(keys)}
        kernel.answers.put({key_of(LINK, each): How(OURS, OURS, slots=tables[each]) for each in keys})
        for each in keys:
            share = Share(tables[each])
            asked = questions.request(each)
            assert (kernel(asked)[0] is not None) == share.answers(questions.CLIENT, each), each
    assert kernel(questions.request(SHARED))[0] is not None, "those of others stay"


GRATUITOUS = arp.gratuitous(OURS, HELD)
(TO_ONE,) = correction_frames(OURS, Sighting(SHARED6, questions.CLIENT6, PEER))


@needs_bpf
@pytest.mark.parametrize(
    ("name", "frame", "verdict"),
    [
        ("shared, to everybody", arp.gratuitous(OURS, SHARED)[0], DROPPED),
        ("shared, to everybody: reply", arp.gratuitous(OURS, SHARED)[1], DROPPED),
        ("shared, to everybody: advertisement", ndp.unsolicited(OURS, SHARED6), DROPPED),
        ("shared, to one", arp.correction(OURS, SHARED, questions.CLIENT4, PEER)[0], NEXT),
        ("shared, to one: reply", arp.correction(OURS, SHARED, questions.CLIENT4, PEER)[1], NEXT),
        ("shared, to one: advertisement", TO_ONE, NEXT),
        ("gratuitous request", GRATUITOUS[0], DROPPED),
        ("gratuitous reply", GRATUITOUS[1], DROPPED),
        ("advertisement", ndp.unsolicited(OURS, HELD6), DROPPED),
        ("solicitation", questions.solicitation(source=HELD6, target=LED6, mac=OURS), DROPPED),
        ("of an address that is answered", arp.gratuitous(OURS, LED)[0], NEXT),
        ("advertisement of one that is answered", ndp.unsolicited(OURS, LED6), NEXT),
        ("of the host's own", questions.request(sender=OWN, mac=OURS), NEXT),
        ("of a machine behind this link", arp.gratuitous(PEER, HELD)[0], NEXT),
        ("advertisement of a machine behind this link", ndp.unsolicited(PEER, HELD6), NEXT),
        ("other traffic", ethernet.build(PEER, OURS, ethernet.IPV4, b"\x45" + bytes(39)), NEXT),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_the_guard_lets_the_host_claim_nothing_that_is_not_answered(
    kernel: Kernel, name: str, frame: bytes, verdict: int
) -> None:
    assert kernel.run(frame, Hook.EGRESS) == (verdict, frame)


@needs_bpf
def test_the_guard_makes_the_host_ask_in_its_own_name(kernel: Kernel) -> None:
    """It looks for a client with a packet of an older connection in hand: that has to arrive."""
    asks = questions.request(questions.CLIENT4, HELD, mac=OURS)
    shared = questions.request(questions.CLIENT4, SHARED, mac=OURS)  # of which it may have several
    for question in (asks, shared):
        verdict, after = kernel.run(question, Hook.EGRESS)
        assert verdict == NEXT
        assert after == questions.request(questions.CLIENT4, OWN, mac=OURS)


@needs_bpf
def test_the_guard_knows_that_the_lease_is_over() -> None:
    kernel = Kernel()
    kernel.answers.renew(time.monotonic() - 0.001)
    assert kernel.run(arp.gratuitous(OURS, LED)[0], Hook.EGRESS)[0] == DROPPED


VIRTUAL = virtual_mac(51, 4)


def virtual_process(frame: bytes) -> bytes | None:
    answered: dict[IPAddress, bytes] = {LED: VIRTUAL, LED6: VIRTUAL}
    outcome = respond(frame, OURS, answered.get, {LED, HELD, LED6, HELD6})
    return outcome.frame if isinstance(outcome, Answer) else None


@pytest.mark.parametrize("where", ["process", pytest.param("kernel", marks=needs_bpf)])
def test_unicast_to_a_virtual_hardware_address_is_answered_with_that(where: str) -> None:
    """Clients ask again there, once they know it (RFC 1122 section 2.3.2.1, RFC 4861 section 7.3)."""
    kernel = Kernel(mac=VIRTUAL) if where == "kernel" else None
    try:
        for question in (
            questions.request(to=VIRTUAL),
            questions.request(),
            questions.solicitation(destination=LED6, to=VIRTUAL),
        ):
            reply = virtual_process(question) if kernel is None else kernel(question)[0]
            assert reply is not None
            assert reply[6:12] == VIRTUAL
        for other in (questions.request(HELD, to=VIRTUAL), questions.request(to=virtual_mac(52, 4))):
            assert (virtual_process(other) if kernel is None else kernel(other)[0]) is None
    finally:
        if kernel is not None:
            kernel.answers.close()
