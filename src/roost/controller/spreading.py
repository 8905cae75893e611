"""Which node each Service prefers, so that all nodes lead about as many: an option of Roost's own. Pure.

A Service keeps its node as long as that exists: what leads there does not move because others came or went.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from roost.kubernetes.resources import KubeNode
from roost.model.address import IPAddress, canonical
from roost.model.ranking import digest

__all__ = ["Spreading"]


class Spreading:
    """Preferred nodes by service, and how many each node has."""

    def __init__(self) -> None:
        self._chosen: dict[str, str] = {}
        self._loads: Counter[str] = Counter()

    def choose(
        self,
        service: str,
        address: IPAddress,
        current: str,
        nodes: Mapping[str, KubeNode],
        tenants: Iterable[str] = (),
    ) -> str:
        """Return the node that `service`, whose first address is `address`, shall prefer; "" for none.

        `current` is what it prefers now. With `tenants`, who share the address, it prefers the same.
        """
        shared = (self._chosen[each] for each in tenants if each != service and each in self._chosen)
        wanted = next((each for each in (*shared, current) if each in nodes), "")
        if not wanted:
            self.forget(service)
            text = canonical(address)
            usable = [node.name for node in nodes.values() if _is_usable(node)]
            wanted = min(usable, key=lambda name: (self._loads[name], digest(name, text)), default="")
        self._take(service, wanted)
        return wanted

    def forget(self, service: str) -> None:
        """Count `service` no more."""
        node = self._chosen.pop(service, None)
        if node is not None:
            self._loads[node] -= 1

    def _take(self, service: str, node: str) -> None:
        self.forget(service)
        if node:
            self._chosen[service] = node
            self._loads[node] += 1


def _is_usable(node: KubeNode) -> bool:
    return node.ready and not node.excluded and not node.network_unavailable and not node.drain
