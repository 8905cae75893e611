"""Whether a UDP port is there: it answers, or at least nobody says that it is closed."""

import asyncio
import re
import socket
from contextlib import closing
from typing import Final

from roost.model.check import Result
from roost.runtime.checks.tcp import reason

__all__ = ["check_udp", "exchange"]

_MOST: Final = 65535  # bytes of an answer


async def check_udp(host: str, port: int, timeout: float, send: bytes = b"", match: str = "") -> Result:  # noqa: ASYNC109 - it is judged
    """Send `send` to `port` at the address `host` and wait for at most `timeout` seconds.

    With something to send or to `match` (a regular expression) an answer is wanted; without, silence is well.
    """
    wanted = bool(send or match)
    try:
        answer = await exchange(host, port, send, timeout)
    except TimeoutError:
        why = f"no answer within {timeout:g} s"
        return Result(ok=not wanted, why=why if wanted else "nobody says that its port is closed")
    except OSError as error:
        return Result(ok=False, why=reason(error))
    text = answer.decode(errors="replace")
    if match and not re.search(match, text):
        return Result(ok=False, why=f"nothing in its answer matches {match!r}", output=text)
    return Result(ok=True, why="it answers", output=text)


async def exchange(host: str, port: int, data: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - it is judged
    """Send a datagram and return the first one that comes back. Raises OSError, also when none does."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)) as asking:
        async with asyncio.timeout(timeout):
            await loop.sock_connect(asking, (host, port))
            await loop.sock_sendall(asking, data)
            return await loop.sock_recv(asking, _MOST)
