"""One AF_PACKET socket on one link, woken only for frames that a classic BPF program passes.

Multicast for IPv6 is joined twice: with MLD, so that switches deliver solicitations for our addresses
here, and as an Ethernet group, so that the network card does.
"""

import asyncio
import contextlib
import ctypes
import errno
import select
import socket
import struct
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from ipaddress import IPv6Address
from typing import Final

from roost.model.link import Link
from roost.protocols.filter import Instruction
from roost.protocols.ndp import solicited_node, solicited_node_mac

__all__ = ["CapabilityError", "PacketSocket", "Sent", "Tap"]

_BATCH: Final = 64  # frames read before other events get their turn
_LARGEST: Final = 2048  # bytes; ARP and ND are far smaller
_GROUPS_PER_SOCKET: Final = 100  # net.core.optmem_max bounds the memberships of one socket
_RECEIVE_BUFFER: Final = 1 << 20  # bytes

_SOL_PACKET: Final = 263
_SO_ATTACH_FILTER: Final = 26
_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@ll")
_PACKET_ADD_MEMBERSHIP: Final = 1
_PACKET_DROP_MEMBERSHIP: Final = 2
_PACKET_MR_MULTICAST: Final = 0
_PACKET_STATISTICS: Final = 6
_PACKET_IGNORE_OUTGOING: Final = 23
_ETH_P_ALL: Final = 3

Tap = Callable[[str, bytes, bool], None]  # gets the link, each whole frame, and whether it went out


class CapabilityError(Exception):
    """The kernel refuses packet sockets to this process; the text names the capability and the cure."""


class Sent(Enum):
    """What became of a frame: gone out, worth another try later, or its link is gone."""

    YES = "sent"
    LATER = "send queue full"
    LINK_GONE = "link down or gone"


class PacketSocket:
    """Reads and sends whole frames on `link`; `on_frame` is called on the running event loop.

    Without `waking` frames wait in the socket, as many as its `buffer` (bytes) holds, until `drain` is
    called. `tap` sees what comes in and goes out.

    Raises CapabilityError without CAP_NET_RAW, OSError when the link is gone already.
    """

    def __init__(
        self,
        link: Link,
        program: Sequence[Instruction],
        on_frame: Callable[[bytes], None],
        *,
        waking: bool = True,
        buffer: int = _RECEIVE_BUFFER,
        tap: Tap | None = None,
    ) -> None:
        self._index = link.index
        self._name = link.name
        self._tap = tap
        self._on_frame = on_frame
        self._stamps = False
        self.arrived: float | None = (
            None  # of the frame that `on_frame` gets: wall-clock seconds, by the kernel
        )
        self._poll: select.poll | None = None
        self._groups: dict[IPv6Address, socket.socket] = {}
        self._joiners: list[tuple[socket.socket, set[IPv6Address]]] = []
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError as error:
            raise CapabilityError(
                "packet sockets are refused: give the process CAP_NET_RAW in this network namespace"
            ) from error
        try:
            self._socket.settimeout(0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            self.set_filter(program)  # before binding: nothing unfiltered ever comes in
            self._socket.bind((link.name, _ETH_P_ALL))
        except BaseException:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._wakes = False
        self.wake(on=waking)

    def wake(self, *, on: bool) -> None:
        """Let frames wake the event loop from now on, or wait for `drain`."""
        if on and not self._wakes:
            self._loop.add_reader(self._socket, self.drain)
        elif not on and self._wakes:
            self._loop.remove_reader(self._socket)
        self._wakes = on

    def set_filter(self, program: Sequence[Instruction]) -> None:
        """Replace the kernel's filter in one step."""
        code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
        buffer = ctypes.create_string_buffer(code, len(code))
        descriptor = struct.pack("HP", len(program), ctypes.addressof(buffer))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, descriptor)

    def stamp(self, *, on: bool) -> None:
        """Let the kernel note when each frame came in, or no more; see `arrived`."""
        self._stamps = on
        self.arrived = None
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, int(on))

    def set_groups(self, addresses: Collection[IPv6Address]) -> None:
        """Be a member of the solicited-node groups of `addresses` and of no others."""
        wanted = {solicited_node(address): address for address in addresses}
        for group in self._groups.keys() - wanted.keys():
            self._leave(group)
        for group in wanted.keys() - self._groups.keys():
            self._join(group)

    def send(self, frame: bytes) -> Sent:
        """Send one frame; never raises for what the network or the link does."""
        try:
            self._socket.send(frame)
        except BlockingIOError:
            return Sent.LATER
        except OSError as error:
            return Sent.LATER if error.errno in (errno.ENOBUFS, errno.ENOMEM) else Sent.LINK_GONE
        if self._tap is not None:
            self._tap(self._name, frame, True)  # noqa: FBT003 - called for each frame
        return Sent.YES

    def close(self) -> None:
        """Stop reading and leave every group."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for joiner, _ in self._joiners:
            joiner.close()
        self._joiners.clear()
        self._groups.clear()

    def fileno(self) -> int:
        """Return the descriptor, for waiting."""
        return self._socket.fileno()

    def drain(self) -> None:
        """Read what has arrived; also called by the event loop whenever something has."""
        for _ in range(_BATCH):
            if not self.take():
                return

    def take(self) -> bool:
        """Read one frame; False when none is there."""
        try:
            frame = self._receive() if self._stamps else self._socket.recv(_LARGEST)
        except OSError:  # nothing; or ENETDOWN, reported once when the link goes down: netlink tells the rest
            return False
        if self._tap is not None:
            self._tap(self._name, frame, False)  # noqa: FBT003 - called for each frame
        self._on_frame(frame)
        return True

    def wait(self, milliseconds: int) -> bool:
        """Block until a frame is there, but not for longer; tells whether one is."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN)
        return bool(self._poll.poll(milliseconds))

    def _receive(self) -> bytes:
        """Read one frame and when it came."""
        frame, told, _flags, _from = self._socket.recvmsg(_LARGEST, socket.CMSG_SPACE(_TIMESPEC.size))
        self.arrived = None
        for level, kind, data in told:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, nanoseconds = _TIMESPEC.unpack_from(data)
                self.arrived = seconds + nanoseconds / 1e9
        return frame

    def received(self) -> int:
        """Return how many frames passed the filter since the last call, whether there was room or not."""
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        packets, _dropped = struct.unpack("II", statistics)
        return int(packets)

    def _join(self, group: IPv6Address) -> None:
        self._ethernet_group(_PACKET_ADD_MEMBERSHIP, group)
        joiner, groups = self._joiner()
        # Without IPv6 on the link there is nothing to join; frames still come in by the Ethernet group.
        with contextlib.suppress(OSError):
            joiner.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, self._membership(group))
        groups.add(group)
        self._groups[group] = joiner

    def _leave(self, group: IPv6Address) -> None:
        self._ethernet_group(_PACKET_DROP_MEMBERSHIP, group)
        joiner = self._groups.pop(group)
        with contextlib.suppress(OSError):
            joiner.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, self._membership(group))
        next(groups for each, groups in self._joiners if each is joiner).discard(group)

    def _joiner(self) -> tuple[socket.socket, set[IPv6Address]]:
        for joiner, groups in self._joiners:
            if len(groups) < _GROUPS_PER_SOCKET:
                return joiner, groups
        made = (socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), set[IPv6Address]())
        self._joiners.append(made)
        return made

    def _membership(self, group: IPv6Address) -> bytes:
        return group.packed + struct.pack("I", self._index)

    def _ethernet_group(self, action: int, group: IPv6Address) -> None:
        request = struct.pack("iHH8s", self._index, _PACKET_MR_MULTICAST, 6, solicited_node_mac(group))
        with contextlib.suppress(OSError):
            self._socket.setsockopt(_SOL_PACKET, action, request)
