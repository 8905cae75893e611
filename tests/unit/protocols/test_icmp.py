"""Echo requests and replies: known vectors, round trips, hostile bytes."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.protocols import ethernet, icmp
from roost.protocols.errors import PacketError

MAC, TO = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
V4 = icmp.Echo(IPv4Address("192.0.2.11"), IPv4Address("192.0.2.12"), 0x1234, 7, b"roost")
V6 = icmp.Echo(IPv6Address("2001:db8::11"), IPv6Address("2001:db8::12"), 0x1234, 7, b"roost")

# Recorded between two namespaces: Linux 6.18 gave these replies to these requests.
RECORDED = {
    V4: (
        "020000000002 020000000001 0800"
        "4500 0021 0000 4000 4001 b6c4 c000020b c000020c"
        "0800 8fe1 1234 0007 726f6f7374",
        "020000000001 020000000002 0800"
        "4500 0021 ae52 0000 4001 4872 c000020c c000020b"
        "0000 97e1 1234 0007 726f6f7374",
    ),
    V6: (
        "020000000002 020000000001 86dd"
        "60000000 000d 3a 40 20010db8000000000000000000000011 20010db8000000000000000000000012"
        "8000 bc04 1234 0007 726f6f7374",
        "020000000001 020000000002 86dd"
        "600ab904 000d 3a 40 20010db8000000000000000000000012 20010db8000000000000000000000011"
        "8100 bb04 1234 0007 726f6f7374",
    ),
}

numbers = st.integers(0, icmp.IDENTIFIERS - 1)
pairs = st.one_of(
    *(
        st.tuples(st.builds(kind, st.integers(0, 2**bits - 1)), st.builds(kind, st.integers(0, 2**bits - 1)))
        for kind, bits in ((IPv4Address, 32), (IPv6Address, 128))
    )
)
echoes = st.builds(
    lambda pair, identifier, sequence, data: icmp.Echo(pair[0], pair[1], identifier, sequence, data),
    pairs,
    numbers,
    numbers,
    st.binary(max_size=64),
)


@pytest.mark.parametrize("echo", RECORDED)
def test_the_kernel_answers_our_request_and_its_reply_is_read(echo: icmp.Echo) -> None:
    request, reply = (bytes.fromhex(each) for each in RECORDED[echo])
    assert icmp.request_frame(echo, MAC, TO) == request.ljust(60, b"\0")
    back = replace(echo, source=echo.destination, destination=echo.source)
    assert icmp.parse_reply(ethernet.parse(reply)) == back


def test_the_checksum_of_rfc_1071() -> None:
    assert icmp.internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert icmp.internet_checksum(b"") == icmp.internet_checksum(bytes(8)) == 0xFFFF
    assert icmp.internet_checksum(b"\xff\xff") == 0


@given(st.binary(max_size=80))
def test_the_checksum_is_the_sum_of_words_with_end_around_carry(data: bytes) -> None:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert icmp.internet_checksum(data) == ~total & 0xFFFF


@given(echoes)
def test_a_reply_comes_back_as_it_was(echo: icmp.Echo) -> None:
    frame = ethernet.parse(icmp.reply_frame(echo, MAC, TO))
    assert (frame.source, frame.destination) == (MAC, TO)
    assert icmp.parse_reply(frame) == echo


@given(echoes)
def test_a_request_is_no_reply(echo: icmp.Echo) -> None:
    with pytest.raises(PacketError):
        icmp.parse_reply(ethernet.parse(icmp.request_frame(echo, MAC, TO)))
    with pytest.raises(PacketError):
        icmp.parse_request(ethernet.parse(icmp.reply_frame(echo, MAC, TO)))


@given(echoes)
def test_a_request_is_read_as_it_was_sent(echo: icmp.Echo) -> None:
    assert icmp.parse_request(ethernet.parse(icmp.request_frame(echo, MAC, TO))) == echo


@pytest.mark.parametrize("echo", RECORDED)
def test_our_reply_to_a_request_is_the_kernels(echo: icmp.Echo) -> None:
    request, reply = (bytes.fromhex(each) for each in RECORDED[echo])
    asked = icmp.parse_request(ethernet.parse(request))
    ours = icmp.reply_frame(replace(asked, source=asked.destination, destination=asked.source), TO, MAC)
    at = 34 if echo is V4 else 54  # the kernel chooses an identification and a flow label
    assert ours[:14] == reply[:14]
    assert ours[at : len(reply)] == reply[at:]


@given(echoes, st.data())
def test_a_changed_bit_is_refused_or_read_as_what_it_says(echo: icmp.Echo, data: st.DataObject) -> None:
    frame = bytearray(icmp.reply_frame(echo, MAC, TO))
    bit = data.draw(st.integers(14 * 8, len(frame) * 8 - 1))
    frame[bit // 8] ^= 1 << bit % 8
    try:
        read = icmp.parse_reply(ethernet.parse(bytes(frame)))
    except PacketError:
        return
    # Padding, and IPv6's traffic class, flow label and hop limit, are covered by no checksum.
    assert read == echo


@given(st.sampled_from([ethernet.IPV4, ethernet.IPV6, ethernet.ARP]), st.binary(max_size=120))
def test_hostile_bytes_are_refused_with_packet_error_only(ethertype: int, payload: bytes) -> None:
    with pytest.raises(PacketError):
        icmp.parse_reply(ethernet.Frame(MAC, TO, ethertype, payload))


@given(echoes, st.integers(0, 200))
def test_a_truncated_reply_is_refused(echo: icmp.Echo, length: int) -> None:
    frame = icmp.reply_frame(echo, MAC, TO)
    needed = 14 + (20 if isinstance(echo.source, IPv4Address) else 40) + 8 + len(echo.data)
    if 14 <= length < needed:
        with pytest.raises(PacketError):
            icmp.parse_reply(ethernet.parse(frame[:length]))


def test_families_do_not_mix() -> None:
    with pytest.raises(ValueError, match="families"):
        icmp.request_frame(icmp.Echo(V4.source, V6.destination, 1, 1), MAC, TO)
