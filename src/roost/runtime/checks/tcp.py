"""Whether a TCP port accepts connections."""

import asyncio
import contextlib
import os

from roost.model.check import Result

__all__ = ["check_tcp", "reason"]


async def check_tcp(host: str, port: int, timeout: float) -> Result:  # noqa: ASYNC109 - it is what is judged
    """Connect to `port` at the address `host` within `timeout` seconds, and close."""
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Result(ok=False, why=f"no connection within {timeout:g} s")
    except OSError as error:
        return Result(ok=False, why=reason(error))
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(timeout):
            await writer.wait_closed()
    return Result(ok=True, why="it accepts connections")


def reason(error: Exception) -> str:
    """Return what went wrong in the system's words."""
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
