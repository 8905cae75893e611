"""A look at the ARP packets that come in on a port of the lab's switch, before the switch has them."""

import ctypes
import socket
import struct
from typing import Final

from roost.protocols import ethernet

__all__ = ["arrived", "tap"]

_ETH_P_ALL: Final = 3  # a socket for one protocol only is not asked on a bridge's port
_SO_ATTACH_FILTER: Final = 26
_SO_TIMESTAMPNS: Final = 35  # its messages are of the same type
_TIMESPEC: Final = struct.Struct("qq")
_SOL_PACKET: Final = 263
_PACKET_IGNORE_OUTGOING: Final = 23
# BPF: load the EtherType; if it is ARP, keep the whole frame, else nothing.
_ARP_ONLY: Final = ((0x28, 0, 0, 12), (0x15, 0, 1, ethernet.ARP), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))


def tap(port: str) -> socket.socket:
    """Return a packet socket that reads ARP frames from the host at `port`, and sends frames to it."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _ARP_ONLY)
    buffer = ctypes.create_string_buffer(program, len(program))
    descriptor = struct.pack("HP", len(_ARP_ONLY), ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, descriptor)
    sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.bind((port, _ETH_P_ALL))
    return sock


def arrived(sock: socket.socket) -> float:
    """Read a frame from a tap; return when it came, not when there was time for it (seconds of the epoch)."""
    _, ancillary, _, _ = sock.recvmsg(64, socket.CMSG_SPACE(_TIMESPEC.size))
    seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
    return float(seconds + nanoseconds / 1e9)
