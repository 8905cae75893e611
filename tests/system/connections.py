"""TCP connections held open through service addresses, to be counted afterwards."""

import subprocess
import sys
import time
from collections.abc import Sequence

from tests.system.netns import Namespace

__all__ = ["Connections", "serve"]

PORT = 8080

_SERVER = f"""
import asyncio
async def echo(reader, writer):
    try:
        while data := await reader.read(64):
            writer.write(data)
    except OSError:
        pass
    writer.close()
async def main():
    await asyncio.start_server(echo, ["0.0.0.0", "::"], {PORT}, backlog=1024, start_serving=True)
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

_CLIENT = f"""
import asyncio, sys, time
from datetime import UTC, datetime
pause = float(sys.argv[1])
async def hold(address):
    reader, writer = await asyncio.wait_for(asyncio.open_connection(address, {PORT}), 3)
    return address, reader, writer
longest = [0.0]
async def use(address, reader, writer, broken, stop):
    try:
        while not stop.is_set():
            begin = time.monotonic()
            writer.write(b"x")
            await asyncio.wait_for(reader.readexactly(1), 20)
            longest[0] = max(longest[0], time.monotonic() - begin)
            await asyncio.sleep(pause)
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        broken.append(address)
        port = writer.get_extra_info("sockname")[1]
        print(f"{{datetime.now(UTC):%T.%f}} {{address}} from port {{port}}: {{error!r}}", file=sys.stderr)
async def main():
    broken, stop = [], asyncio.Event()
    held = [await hold(address) for address in sys.argv[2:]]
    tasks = [asyncio.create_task(use(*each, broken, stop)) for each in held]
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    stop.set()
    await asyncio.gather(*tasks)
    print(longest[0], *broken, flush=True)
asyncio.run(main())
"""


def serve(node: Namespace) -> None:
    """Echo on every address of a node, until the network is closed."""
    server = node.spawn(sys.executable, "-c", _SERVER)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"


class Connections:
    """One connection to each of `addresses`, used every `pause` seconds from `client`."""

    def __init__(self, client: Namespace, addresses: Sequence[str], pause: float = 0.05) -> None:
        self._process: subprocess.Popen[str] = client.spawn(
            sys.executable, "-c", _CLIENT, str(pause), *addresses
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line == "ready\n", self._process.stderr.read() if self._process.stderr else ""
        self.longest = 0.0  # seconds that an echo took, known after `broken`
        time.sleep(0.2)

    def broken(self) -> list[str]:
        """End all and return the address of each that broke; how and when goes to this process's stderr."""
        out, why = self._process.communicate("\n", timeout=60)
        sys.stderr.write(why)
        longest, *broken = out.split()
        self.longest = float(longest)
        return broken
