"""Whether a DNS server answers a question (RFC 1035), over UDP."""

import secrets
import struct
from typing import Final

from roost.model.check import Result
from roost.model.forwarding import RECORDS
from roost.runtime.checks.tcp import reason
from roost.runtime.checks.udp import exchange

__all__ = ["check_dns"]

_HEADER: Final = struct.Struct("!HHHHHH")  # id, flags, questions, answers, authority, additional
_RECURSION_DESIRED: Final = 0x0100
_RESPONSE: Final = 0x8000
_CODES: Final = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


async def check_dns(host: str, port: int, timeout: float, name: str, record: str = "A") -> Result:  # noqa: ASYNC109 - it is judged
    """Ask for `name` at the address `host`; an answer without an error, and with a record, is well."""
    number = secrets.randbits(16)
    question = _name(name) + struct.pack("!HH", RECORDS[record], 1)
    try:
        answer = await exchange(
            host, port, _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + question, timeout
        )
    except TimeoutError:
        return Result(ok=False, why=f"no answer within {timeout:g} s")
    except OSError as error:
        return Result(ok=False, why=reason(error))
    return _judge(answer, number, f"{record} of {name}")


def _judge(answer: bytes, number: int, asked: str) -> Result:
    told, flags, _, answers, *_ = _HEADER.unpack_from(answer.ljust(_HEADER.size, b"\0"))
    if told != number or not flags & _RESPONSE:
        return Result(ok=False, why="what it answers is no DNS")
    if code := flags & 0xF:
        return Result(ok=False, why=f"it answers {_CODES.get(code, f'error {code}')} for {asked}")
    return Result(ok=bool(answers), why=f"it has {answers or 'no'} {asked}")


def _name(name: str) -> bytes:
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in labels) + b"\0"
