"""A Kubernetes API as a source of services.

    mirrors -> what changed -> (a moment later) desired state -> on_change

While the API server is silent the mirrors keep what they know, and so does everything that follows.
"""

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, Final

from roost.kubernetes.client import Api
from roost.kubernetes.config import Mistake, read_advertisements, read_pools
from roost.kubernetes.desired import Policy, agree, desired_services, fingerprint, node_facts, proxies_to_ask
from roost.kubernetes.failback import why_no_failback
from roost.kubernetes.gossip import peers
from roost.kubernetes.kinds import ADVERTISEMENTS, NODES, PODS, POOLS, SERVICES, SLICES
from roost.kubernetes.mirror import Mirror
from roost.kubernetes.proxy_health import ProxyHealth
from roost.kubernetes.resources import (
    Endpoints,
    KubeNode,
    KubePod,
    KubeService,
    Object,
    parse_endpoint_slice,
    parse_node,
    parse_pod,
    parse_service,
)
from roost.kubernetes.sharing import why_not_shared
from roost.model.complaint import Complaint
from roost.model.node import Node
from roost.model.service import DesiredState, Service
from roost.protocols.machine import Endpoint
from roost.settings import SpeakerSettings

__all__ = ["KubernetesSource"]

_log = logging.getLogger("roost.kubernetes")


_TOGETHER: Final = 0.02  # seconds in which changes become one, more when they cost more:
_SHARE: Final = 5  # following changes may take one part in so many of the time, in a burst
_LONGEST: Final = 0.5  # seconds
_BULK: Final = 500  # services that are other ones at once, as after a new list of all
_PATIENCE: Final = 3.0  # seconds that a start waits for the list of pods
_SETTLED: Final = 1.0  # seconds without a change after which peers may hold this node to what it wants


class KubernetesSource:
    """What a cluster wants of the speaker with `settings`; configuration is in `namespace`.

    `labels` select the speakers' pods, "" when nobody gossips. `on_change(why)` follows each change of
    `desired`, `on_peers` each change of whom to join, `on_drain` the operator's wish; none before `synced`.
    """

    delivers_locally = False

    def __init__(
        self,
        api: Api,
        settings: SpeakerSettings,
        namespace: str,
        *,
        load_balancer_class: str = "",
        ignore_exclude_label: bool = False,
        labels: str = "",
        server: str = "",
    ) -> None:
        self.settings = settings
        self.origin = server
        self.desired = DesiredState(nodes={})
        self.mistakes: tuple[Mistake, ...] = ()
        self.on_change: Callable[[str], None] = lambda _: None
        self.on_bulk: Callable[[], None] = lambda: None  # called when very many services are other ones
        self.on_drain: Callable[[bool], None] = lambda _: None
        self.on_peers: Callable[[Sequence[Endpoint]], None] = lambda _: None
        self._policy = Policy(
            load_balancer_class=load_balancer_class,
            only_on_subnet=settings.only_on_subnet,
            failback=settings.failback,
        )
        self._ignore_exclude_label = ignore_exclude_label
        self._services: Mirror[KubeService] = Mirror(api, SERVICES, _lean, self._on_service)
        self._slices: Mirror[Endpoints] = Mirror(api, SLICES, parse_endpoint_slice, self._on_slice)
        self._nodes: Mirror[KubeNode] = Mirror(api, NODES, parse_node, self._on_node)
        self._pools: Mirror[Object] = Mirror(api, POOLS, _bare, self._on_config, namespace=namespace)
        self._advertisements: Mirror[Object] = Mirror(
            api, ADVERTISEMENTS, _bare, self._on_config, namespace=namespace
        )
        self._pods: Mirror[KubePod] | None = None
        if labels and settings.membership is not None:
            self._pods = Mirror(
                api, PODS, parse_pod, self._on_pod, namespace=namespace, selector={"labelSelector": labels}
            )
        self._proxy = ProxyHealth()
        self._by_service: defaultdict[str, dict[str, Endpoints]] = defaultdict(dict)
        self._built: dict[str, tuple[Service, ...]] = {}
        self._wrong: dict[str, str] = {}  # Services whose annotations are wrong -> why
        self._facts: dict[str, Node] = {}
        self._dirty: set[str] = set()
        self._config_dirty = True
        self._why: dict[str, None] = {}
        self._soon: asyncio.TimerHandle | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._ready = False
        self._cost = 0.0  # seconds that following the last change took

    @property
    def services(self) -> Mapping[str, KubeService]:
        """The Services by namespace/name."""
        return self._services.items

    @property
    def trouble(self) -> tuple[str, ...]:
        """What keeps this node from knowing the present: one line for each kind of object."""
        return tuple(
            f"{mirror.resource.plural}: {mirror.trouble}" for mirror in self._mirrors() if mirror.trouble
        )

    @property
    def drain(self) -> bool:
        """Whether an operator wants this node's addresses elsewhere."""
        node = self._nodes.items.get(self.settings.node)
        return node is not None and node.drain

    @property
    def targets(self) -> tuple[Endpoint, ...]:
        """Whom to join in gossip."""
        membership = self.settings.membership
        if membership is None or self._pods is None:
            return ()
        return peers(
            self.settings.node, self._pods.items.values(), self._nodes.items.values(), membership.bind.port
        )

    async def run(self) -> None:
        """Follow the API until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for mirror in self._mirrors():
                    group.create_task(mirror.run())
        finally:
            await self._proxy.close()

    async def synced(self) -> None:
        """Wait until all of it is known; `desired` holds it then. Pods may come later: nodes do, too."""
        for mirror in self._mirrors():
            if mirror is not self._pods:
                await mirror.synced.wait()
        if self._pods is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._pods.synced.wait(), _PATIENCE)
        self._ready = True
        self._flush()

    def complaints(
        self,
        local: Sequence[tuple[str, IPv4Interface | IPv6Interface]],  # noqa: ARG002 - the protocol's
        links: Collection[str],  # noqa: ARG002
    ) -> tuple[Complaint, ...]:
        """Return which annotations of Roost's own are wrong: nothing of a Service depends on this host."""
        return tuple(
            Complaint("warning", f"{key}: {why}", service=key) for key, why in sorted(self._wrong.items())
        )

    def wrong(self, service: str) -> str:
        """Return what is wrong with the annotations of a Service, with the cure, or ""."""
        return self._wrong.get(service, "")

    def serving_nodes(self, service: str) -> frozenset[str] | None:
        """Return the nodes with an endpoint that can serve; None when one is on no node."""
        slices = self._by_service.get(service, {}).values()
        if any(each.elsewhere for each in slices):
            return None
        return frozenset(node for each in slices for node in each.nodes)

    async def forwards(self, service: Service) -> bool:
        """Tell whether this node's kube-proxy passes traffic on, as far as it says anything about it."""
        node = self._nodes.items.get(self.settings.node)
        if node is None:
            return True
        slices = self._by_service.get(service.known_as, {}).values()
        for hosts in proxies_to_ask(service, slices, node):
            if await self._proxy.denies(hosts, service.health_port):
                return False
        return True

    # -- what comes in -----------------------------------------------------------------------------

    def _on_service(self, key: str, _old: KubeService | None, _new: KubeService | None) -> None:
        self._touch({key}, "the service changed")

    def _on_slice(self, key: str, old: Endpoints | None, new: Endpoints | None) -> None:
        touched = set()
        if old is not None and old.service:
            touched.add(old.service)
            self._by_service[old.service].pop(key, None)
            if not self._by_service[old.service]:
                del self._by_service[old.service]
        if new is not None and new.service:
            self._by_service[new.service][key] = new
            touched.add(new.service)
        self._touch({each for each in touched if each in self._services.items}, "its endpoints changed")

    def _on_node(self, key: str, old: KubeNode | None, new: KubeNode | None) -> None:
        if new is None:
            self._facts.pop(key, None)
        else:
            self._facts[key] = node_facts(
                new,
                ignore_exclude_label=self._ignore_exclude_label,
                assumed=self.settings.membership is None,
            )
        if key == self.settings.node and (before := bool(old and old.drain)) != bool(new and new.drain):
            self.on_drain(not before)
        self._touch(set(), f"node {key} changed")
        self._on_pod()

    def _on_config(self, *_: object) -> None:
        self._config_dirty = True
        self._touch(set(), "pools or advertisements changed")

    def _on_pod(self, *_: object) -> None:
        if self._ready:
            self.on_peers(self.targets)

    def _touch(self, keys: set[str], why: str) -> None:
        self._dirty |= keys
        self._why[why] = None
        if self._ready and self._soon is None:
            wait = max(_TOGETHER, min(_SHARE * self._cost, _LONGEST))
            self._soon = asyncio.get_running_loop().call_later(wait, self._flush)

    # -- what follows ------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Work out the desired state anew, as far as something changed."""
        self._soon = None
        begin = asyncio.get_running_loop().time()
        count = len(self._services.items if self._config_dirty else self._dirty)
        self._follow()
        self._cost = asyncio.get_running_loop().time() - begin
        if count >= _BULK:
            self.on_bulk()

    def _follow(self) -> None:
        mistakes, wrong = self.mistakes, dict(self._wrong)
        if self._config_dirty:
            self._load()
        for key in self._dirty:
            self._build(key)
        self._dirty.clear()
        why = next(iter(self._why)) if len(self._why) == 1 else "several things changed"
        self._why.clear()
        services = agree(itertools.chain.from_iterable(self._built.values()))
        facts = dict(self._facts)
        if (services, facts) == (self.desired.services, self.desired.nodes):
            if (self.mistakes, self._wrong) != (mistakes, wrong):
                self.on_change("")
            return
        self.desired = DesiredState(services, "", facts)
        self.on_change(why)
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(_SETTLED, self._settle)

    def _settle(self) -> None:
        """Let peers know that they want the same: from now on they may ask what this node answers for."""
        services, facts = self.desired.services, self.desired.nodes or {}
        self.desired = DesiredState(services, fingerprint(services, facts), facts)
        self.on_change("")

    def _build(self, key: str) -> None:
        service = self._services.items.get(key)
        slices = self._by_service.get(key, {}).values()
        built = () if service is None else desired_services(service, slices, self._policy)
        why = service and (why_no_failback(service.annotations) or why_not_shared(service.annotations))
        if built and why:
            self._wrong[key] = why
        else:
            self._wrong.pop(key, None)
        if built:
            self._built[key] = built
        else:
            self._built.pop(key, None)

    def _load(self) -> None:
        """Put the configuration in force, unless it is wrong, or would drop what is still in use."""
        pools, mistakes = read_pools(self._pools.items.values(), ())
        labels = {
            str(item["metadata"]["name"]): item["metadata"].get("labels") or {}
            for item in self._pools.items.values()
        }
        advertisements, more = read_advertisements(self._advertisements.items.values(), labels)
        self.mistakes = mistakes + more
        if self.mistakes:
            self._config_dirty = False
            return
        policy = replace(self._policy, pools=pools, advertisements=advertisements)
        if self._drops_what_is_used(policy):
            return  # the controller moves the service first: its new status brings us here again
        self._config_dirty = False
        if policy != self._policy:
            self._policy = policy
            self._dirty |= self._services.items.keys()

    def _drops_what_is_used(self, policy: Policy) -> bool:
        for key in self._dirty:
            self._build(key)
        built = itertools.chain.from_iterable(self._built.values())
        used = (each.addresses for each in built if self._policy.pool_of(each.addresses))
        return any(policy.pool_of(addresses) is None for addresses in used)

    def _mirrors(self) -> Iterator[Mirror[Any]]:
        yield from (self._services, self._slices, self._nodes, self._pools, self._advertisements)
        if self._pods is not None:
            yield self._pods


_lean = partial(parse_service, keep=False)


def _bare(item: Object) -> Object:
    """Return what counts of a configuration object: equal ones are no change."""
    metadata = item["metadata"]
    kept = {"name": metadata["name"], "labels": metadata.get("labels") or {}}
    return {"metadata": kept, "spec": item.get("spec") or {}}
