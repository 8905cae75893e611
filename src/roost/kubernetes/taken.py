"""Which networks of pools meet, found without comparing each with each. Pure.

A range of IPv6 addresses may be made of 250 networks, and an object may have thousands of ranges.
"""

from bisect import bisect_left, insort
from itertools import islice
from typing import Final

from roost.model.address import IPNetwork

__all__ = ["Taken"]

_LOOKED_AT: Final = 64  # networks within one, of which the first given is named


class Taken:
    """The networks of all pools so far, in the order in which they came."""

    def __init__(self) -> None:
        # By version, first address and prefix length: when it came, by the number of the pool.
        self._known: dict[tuple[int, int, int], dict[int, int]] = {}
        self._starts: dict[int, list[tuple[int, int]]] = {4: [], 6: []}  # first address, prefix length
        self._covered: dict[int, list[tuple[int, int]]] = {4: [], 6: []}  # first and last address, apart
        self._networks: list[tuple[IPNetwork, str]] = []  # with the pool's name

    def clash(self, network: IPNetwork, pool: int) -> tuple[IPNetwork, str] | None:
        """Return an earlier network that `network` of pool number `pool` meets, and its owner in words.

        The first of the same pool, or else the first of all. Two networks meet where one holds the other.
        """
        if not self._meets(network):
            return None
        times = [time for known in self._those_met(network) for time in known.items()]
        owner, came = min(times, key=lambda each: (each[0] != pool, each[1]))
        other, name = self._networks[came]
        return other, "this pool" if owner == pool else f'pool "{name}"'

    def add(self, network: IPNetwork, pool: int, name: str) -> None:
        """Note a network of the pool with that number and name."""
        first, last = _ends(network)
        key = (network.version, first, network.prefixlen)
        if key not in self._known:
            insort(self._starts[network.version], key[1:])
        self._known.setdefault(key, {}).setdefault(pool, len(self._networks))
        self._networks.append((network, name))
        covered = self._covered[network.version]
        begin, end = bisect_left(covered, (first, -1)), bisect_left(covered, (last + 1, -1))
        if not self._meets(network):
            covered.insert(begin, (first, last))
        elif begin < end and (end - begin > 1 or covered[begin] != (first, max(last, covered[begin][1]))):
            covered[begin:end] = [(first, last)]  # it holds all these

    def _meets(self, network: IPNetwork) -> bool:
        first, last = _ends(network)
        covered = self._covered[network.version]
        before = bisect_left(covered, (last + 1, -1))  # the last of those begins nearest before its end
        return before > 0 and covered[before - 1][1] >= first

    def _those_met(self, network: IPNetwork) -> list[dict[int, int]]:
        first, last = _ends(network)
        bits, version = network.max_prefixlen, network.version
        holding = (
            self._known.get((version, first >> (bits - length) << (bits - length), length))
            for length in range(network.prefixlen)
        )
        starts = self._starts[version]
        begin, end = bisect_left(starts, (first, network.prefixlen)), bisect_left(starts, (last + 1, 0))
        held = (self._known[version, *each] for each in islice(starts, begin, min(end, begin + _LOOKED_AT)))
        return [*(each for each in holding if each is not None), *held]


def _ends(network: IPNetwork) -> tuple[int, int]:
    first = int(network.network_address)
    return first, first + (1 << network.max_prefixlen - network.prefixlen) - 1
