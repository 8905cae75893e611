"""memberlist's TCP side on asyncio: one message each way per connection, within deadlines and caps.

Roost nodes also hold lifelines to each other: connections that carry one user message and then nothing.
When a process ends, its kernel closes them at once, and the peers know.

What a hostile peer can hold is bounded: connections, the bytes of one, the bytes of all together, and
the time of each. What it sends wrong raises PacketError here and ends as a report, never further.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from roost.protocols.errors import PacketError
from roost.protocols.machine import Endpoint
from roost.protocols.memberlist.messages import ErrorResponse, Message, UserMessage
from roost.protocols.memberlist.stream import StreamCodec, StreamDecoder
from roost.runtime.bind import endpoint_of
from roost.runtime.connections import Connections

__all__ = ["STREAMS_LIMIT", "MemberlistStreams", "Responder"]

STREAMS_LIMIT: Final = 128  # incoming ones at once, memberlist's own bound for push/pull
_HELD_LIMIT: Final = 32 << 20  # bytes that unfinished incoming messages hold together
_CHUNK: Final = 65_536  # bytes
_LIFELINE: Final = UserMessage(b"roost lifeline")
_LIFELINES_LIMIT: Final = 64  # incoming ones at once; each peer needs one
_CONNECT_DEADLINE: Final = 1.0  # seconds: a LAN answers in one round trip, or the SYN was lost


class Responder(Protocol):
    """What answers the requests that peers send."""

    def serve(self, request: Message, source: Endpoint) -> Message | None:
        """Return the reply to `request`, None when there is none."""


class MemberlistStreams:
    """Serves incoming streams from `listener` and opens outgoing ones.

    `deadline` is seconds for a whole incoming exchange; `report` is told what a peer did wrong.
    """

    def __init__(
        self,
        codec: StreamCodec,
        deadline: float,
        counters: Counter[str],
        report: Callable[[str, Endpoint], None],
    ) -> None:
        self._codec = codec
        self._deadline = deadline
        self._counters = counters
        self._report = report
        self._responder: Responder | None = None
        self._server: asyncio.Server | None = None
        self._connections = Connections(self._accept)
        self._serving: set[asyncio.Task[None]] = set()
        self._held_open: set[asyncio.Task[None]] = set()
        self._held = 0

    async def start(self, listener: socket.socket, responder: Responder) -> None:
        """Serve what connects to `listener`, which this object owns from now on."""
        self._responder = responder
        self._server = await asyncio.start_server(self._connections.accept, sock=listener)

    async def stop(self) -> None:
        """Stop listening and break off what is being served."""
        if self._server is not None:
            self._server.close()
        await self._connections.close()

    async def exchange(self, target: Endpoint, request: Message, deadline: float) -> Message:
        """Send `request` and return the reply, by `deadline` (the loop's time).

        Raises TimeoutError, OSError, PacketError for what the peer sends, and ValueError for a
        request that is too large; EOFError when the peer closes without a word.
        """
        data = self._codec.encode(request)
        async with asyncio.timeout_at(deadline):
            async with asyncio.timeout(_CONNECT_DEADLINE):
                reader, writer = await asyncio.open_connection(target.host, target.port)
            try:
                writer.write(data)
                await writer.drain()
                return await self._read(reader, self._codec.decoder(reply=True))
            finally:
                writer.transport.abort()  # the exchange is over, or has failed

    async def hold(self, target: Endpoint, established: Callable[[], None]) -> None:
        """Hold a lifeline to the Roost node at `target`; return when its end closes it.

        Raises ConnectionRefusedError when nobody listens there, TimeoutError or another OSError when
        nothing is known.
        """
        async with asyncio.timeout(_CONNECT_DEADLINE):
            reader, writer = await asyncio.open_connection(target.host, target.port)
        try:
            _keep_alive(writer)
            writer.write(self._codec.encode(_LIFELINE))
            await writer.drain()
            established()
            await reader.read(1)  # nothing is ever said: data ends it too
        finally:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - each connection has a task
        if len(self._serving) >= STREAMS_LIMIT:
            self._counters["streams_refused"] += 1
            writer.transport.abort()
            return
        self._serving.add(task)
        self._counters["streams_served"] += 1
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, TimeoutError):
            self._counters["streams_broken"] += 1
        finally:
            self._serving.discard(task)
            writer.transport.abort()  # everything was written, or it never will be

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)  # so that drain() waits until all is written
        source = endpoint_of(writer.get_extra_info("peername"))
        async with asyncio.timeout(self._deadline):
            request = await self._request(reader, source)
            if request != _LIFELINE:
                if reply := self._reply(request, source):
                    writer.write(self._codec.encode(reply, reply=True))
                    await writer.drain()
                return
        await self._be_held(reader, writer)

    async def _request(self, reader: asyncio.StreamReader, source: Endpoint) -> Message | PacketError:
        try:
            return await self._read(reader, self._codec.decoder())
        except PacketError as fault:
            self._counters["streams_faulty"] += 1
            self._report(str(fault), source)
            return fault

    def _reply(self, request: Message | PacketError, source: Endpoint) -> Message | None:
        assert self._responder is not None  # noqa: S101 - set before the server starts
        if isinstance(request, PacketError):
            return ErrorResponse(str(request))
        return self._responder.serve(request, source)

    async def _be_held(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep a peer's lifeline open until the peer closes it, outside of the limit for exchanges."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - each connection has a task
        if len(self._held_open) >= _LIFELINES_LIMIT:
            self._counters["lifelines_refused"] += 1
            return
        self._serving.discard(task)
        self._held_open.add(task)
        try:
            _keep_alive(writer)
            await reader.read(1)
        finally:
            self._held_open.discard(task)

    async def _read(self, reader: asyncio.StreamReader, decoder: StreamDecoder) -> Message:
        """Return the one message of a stream. Raises PacketError, and EOFError when nothing came at all."""
        held = 0
        try:
            while data := await reader.read(_CHUNK):
                held += len(data)
                self._held += len(data)
                if self._held > _HELD_LIMIT:
                    raise PacketError("unfinished streams hold too much memory together")
                message = decoder.feed(data)
                while decoder.busy:  # a large body: others have their turn
                    await asyncio.sleep(0)
                    message = decoder.feed(b"")
                if message is not None:
                    return message
            if not held:
                raise EOFError
            raise PacketError("stream ended within its message")
        finally:
            self._held -= held


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Let the kernel find out within a minute that the other end is gone without a word."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
