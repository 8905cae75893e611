"""Counts in the kernel the IP packets for some addresses that come to one link, and shows who sends them."""

from collections.abc import Callable, Collection
from typing import Final

from roost.model.address import IPAddress
from roost.model.link import Link
from roost.protocols import filter as filters
from roost.runtime.packet_socket import PacketSocket

__all__ = ["TrafficMeter"]

_BUFFER: Final = 1 << 16  # bytes: some packets show who sends, the kernel counts all


class TrafficMeter:
    """Packets for `addresses` to the hardware address of `link`, but those from the ones `beside`.

    `on_packet` gets the first bytes of some of them, during `read`.
    Raises CapabilityError without CAP_NET_RAW, OSError when the link is gone already.
    """

    def __init__(
        self,
        link: Link,
        addresses: Collection[IPAddress],
        on_packet: Callable[[bytes], None],
        beside: Collection[bytes] = (),
    ) -> None:
        program = filters.build_traffic(addresses, beside)
        self._socket = PacketSocket(link, program, on_packet, waking=False, buffer=_BUFFER)

    def set_addresses(self, addresses: Collection[IPAddress], beside: Collection[bytes] = ()) -> None:
        """Count packets for exactly these from now on."""
        self._socket.set_filter(filters.build_traffic(addresses, beside))

    def read(self) -> int:
        """Return how many packets came since the last call, shown or not."""
        self._socket.drain()
        return self._socket.received()

    def close(self) -> None:
        """Stop counting."""
        self._socket.close()
