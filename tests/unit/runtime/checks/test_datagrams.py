"""Looks at UDP and DNS servers on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from roost.runtime.checks.dns import check_dns
from roost.runtime.checks.udp import check_udp

HERE = "127.0.0.1"


@asynccontextmanager
async def serving(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[int]:
    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            if (told := answer(data)) is not None:
                self.transport.sendto(told, address)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, (HERE, 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def closed() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HERE, 0))
        return int(free.getsockname()[1])


async def test_udp_is_well_unless_its_port_is_closed() -> None:
    async with serving(lambda _: None) as port:
        assert (await check_udp(HERE, port, 0.2)).ok
    result = await check_udp(HERE, closed(), 1.0)
    assert (result.ok, result.why) == (False, "Connection refused")


async def test_udp_has_to_answer_what_is_sent() -> None:
    async with serving(lambda data: data[::-1]) as port:
        result = await check_udp(HERE, port, 2.0, b"ping", "^gnip$")
        assert (result.ok, result.output) == (True, "gnip")
        assert not (await check_udp(HERE, port, 2.0, b"ping", "pong")).ok
    async with serving(lambda _: None) as port:
        result = await check_udp(HERE, port, 0.2, b"ping")
        assert (result.ok, result.why) == (False, "no answer within 0.2 s")


def answering(flags: int, answers: int, number: bytes | None = None) -> Callable[[bytes], bytes]:
    def answer(question: bytes) -> bytes:
        head = number or question[:2]
        counts = b"\0\1" + answers.to_bytes(2) + bytes(4)
        return head + flags.to_bytes(2) + counts + question[12:]

    return answer


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answering(0x8180, 2), ""),
        (answering(0x8180, 0), "it has no AAAA of www.example.org"),
        (answering(0x8183, 0), "it answers NXDOMAIN for AAAA of www.example.org"),
        (answering(0x818B, 0), "it answers error 11 for AAAA of www.example.org"),
        (answering(0x0100, 1), "what it answers is no DNS"),
        (lambda data: bytes([data[0] ^ 1]) + data[1:], "what it answers is no DNS"),
        (lambda _: b"x", "what it answers is no DNS"),
    ],
)
async def test_dns(answer: Callable[[bytes], bytes], why: str) -> None:
    asked = []

    def noted(data: bytes) -> bytes:
        asked.append(data)
        return answer(data)

    async with serving(noted) as port:
        result = await check_dns(HERE, port, 2.0, "www.example.org", "AAAA")
    assert result.ok is not bool(why)
    assert why in result.why
    assert asked[0][12:] == b"\3www\7example\3org\0\0\x1c\0\1"


async def test_dns_that_is_not_there() -> None:
    assert (await check_dns(HERE, closed(), 1.0, ".", "SOA")).why == "Connection refused"
    async with serving(lambda _: None) as port:
        assert (await check_dns(HERE, port, 0.2, ".", "SOA")).why == "no answer within 0.2 s"
