"""Asking backends again and again whether they are well, so many at a time."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from roost.decide.forwarding.backends import Key
from roost.decide.forwarding.balancing import Check
from roost.model.check import HttpQuestion, Result
from roost.runtime.checks.command import check_command
from roost.runtime.checks.dns import check_dns
from roost.runtime.checks.http import check_http
from roost.runtime.checks.tcp import check_tcp
from roost.runtime.checks.udp import check_udp

__all__ = ["Checking", "ask"]

_AT_ONCE: Final = 128


class Checking:
    """Asks each backend every interval; `heard(key, result, asked)` is called for each answer.

    `asked` is when the check began, in the loop's seconds.
    """

    def __init__(self, heard: Callable[[Key, Result, float], None]) -> None:
        self._heard = heard
        self._running: dict[Key, tuple[Check, asyncio.Task[None]]] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    def follow(self, wanted: Mapping[Key, Check]) -> None:
        """Ask exactly these from now on; who is new at once, many spread over their interval."""
        for key in [key for key, (check, _) in self._running.items() if wanted.get(key) != check]:
            self._running.pop(key)[1].cancel()
        new = sorted(wanted.keys() - self._running.keys())
        for at, key in enumerate(new):
            check = wanted[key]
            wait = check.how.interval * at / max(len(new), _AT_ONCE)
            task = asyncio.get_running_loop().create_task(self._go_on(key, check, wait))
            self._running[key] = (check, task)

    def close(self) -> None:
        """Ask nobody any more."""
        self.follow({})

    async def _go_on(self, key: Key, check: Check, wait: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + wait
        while True:
            await asyncio.sleep(due - loop.time())
            async with self._room:
                begin = loop.time()
                result = await ask(check, key)
            self._heard(key, result, begin)
            due = max(begin + check.how.interval, loop.time())


async def ask(check: Check, key: Key) -> Result:
    """Ask once; never raises."""
    how, host, port = check.how, str(check.target.address), check.target.port
    match how.kind:
        case "tcp":
            return await check_tcp(host, port, how.timeout)
        case "http" | "https":
            return await check_http(_question(check), how.timeout)
        case "command":
            told = {
                "ROOST_SERVICE": key.service,
                "ROOST_BACKEND_ADDRESS": host,
                "ROOST_BACKEND_PORT": str(port),
            }
            return await check_command(how.argv, how.timeout, environment=told)
        case "udp":
            return await check_udp(host, port, how.timeout, how.send, how.match)
        case "dns":
            return await check_dns(host, port, how.timeout, how.name, how.record)


def _question(check: Check) -> HttpQuestion:
    how = check.how
    return HttpQuestion(
        url=f"{how.kind}://{check.target}{how.path}",
        expect=how.status,
        ca_file=how.ca_file,
        server_name=how.host.partition(":")[0],
        host=how.host,
        body=how.match,
    )
