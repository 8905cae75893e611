"""Host names to addresses, without ever holding up the event loop or the end of the process."""

import asyncio
import contextlib
import socket
import threading

from roost.protocols.machine import Endpoint
from roost.runtime.bind import endpoint_of

__all__ = ["resolve", "resolve_now"]


async def resolve(host: str, port: int) -> list[Endpoint]:
    """Return the addresses of `host`, in the order the system's resolver prefers, each once.

    Raises OSError when the name does not resolve. A daemon thread asks, not the loop's executor: with
    dead name servers the answer takes half a minute, and a process that stops waits for its executor.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Endpoint]] = loop.create_future()

    def settle(found: list[Endpoint] | None, error: Exception | None) -> None:
        if answer.done():
            return  # nobody waits any more
        if found is not None:
            answer.set_result(found)
        else:
            answer.set_exception(error or OSError("no answer"))

    def ask() -> None:
        found, error = _look_up(host, port)
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, found, error)

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    return await answer


def _look_up(host: str, port: int) -> tuple[list[Endpoint] | None, Exception | None]:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label over 63 characters
        return None, OSError(str(error))
    endpoints = (endpoint_of((str(info[4][0]), int(info[4][1]))) for info in infos)
    return list(dict.fromkeys(endpoints)), None


def resolve_now(endpoint: Endpoint) -> list[Endpoint]:
    """Return the same for those who have no event loop; nothing when the name does not resolve."""
    found, _ = _look_up(endpoint.host, endpoint.port)
    return found or []
