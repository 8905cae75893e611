"""A Kubernetes cluster of namespaces: a real control plane, nodes with real kube-proxies, pods and speakers.

192.0.2.0/24, 2001:db8::/64: eth0 of nodes n1.. (.11 ..), client (.101), API server (.250)
203.0.113.0/24, 2001:db8:1::/64: eth1 of nodes and client, where nodes have two
198.51.100.0/24, 2001:db8:51::/64: pods, one on each node (n1's is .1), reached through their node
198.18.0.0/16: cluster addresses
"""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.cluster.api import METALLB, NAMESPACE, Client, prepare, until
from tests.system.netns import Namespace, Network, network
from tests.system.speakers import Lan, Speaker

from roost.lab.cluster_objects import endpoint_slice, node, node_status, pod, proxy_command
from roost.lab.components.find import find
from roost.lab.control_plane import ControlPlane

__all__ = ["KubeLan", "by_hash", "kube_lan"]

_API = "192.0.2.250"
_POD6 = "2001:db8:51::{}"  # of the pod on the node with this number

# Says its node's name on each connection, then sends back what comes.
_TCP_SERVER = """
import asyncio, sys
async def serve(reader, writer):
    writer.write(sys.argv[1].encode() + b"\\n")
    try:
        while data := await reader.read(64):
            writer.write(data)
    except OSError:
        pass
    writer.close()
async def main():
    await asyncio.start_server(serve, ["0.0.0.0", "::"], 7)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def by_hash(address: str, *names: str) -> list[str]:
    """MetalLB's order of nodes, written down a second time."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{name}#{address}".encode()).digest())


class KubeSpeaker(Speaker):
    """A node whose speaker follows the API."""

    environment: dict[str, str]

    def start(self, *options: str) -> None:
        where = ["--kubernetes", "--node-name", self.name, "--socket", str(self.socket)]
        self._spawn([*where, *options], {**os.environ, **self.environment})


class KubeLan(Lan):
    """Nodes n1 .. and what makes them a cluster; `api` speaks for the administrator."""

    def __init__(self, net: Network, folder: Path, count: int, *, second: bool = False) -> None:
        host = net.add("api")
        super().__init__(net, folder, count, host)
        self.second: Namespace | None = None  # the switch of eth1
        if second:
            self._add_second_network()
        self.folder = folder
        host.ip(f"addr add {_API}/24 dev eth0")
        self.control = ControlPlane(
            folder / "control",
            _API,
            inside=["ip", "netns", "exec", host.name],
            accounts={"roost-controller": "", "roost-speaker": "", "metallb-speaker": ""},
        )
        self.control.start()
        self.host = host
        self.api = Client(self.control.kubeconfig(), host)
        prepare(self.api)
        self._controller: subprocess.Popen[bytes] | None = None
        self.pods: dict[int, Namespace] = {}
        self._proxies: list[subprocess.Popen[bytes]] = []
        self._proxy_mode = ""
        for at, speaker in enumerate(self.speakers, 1):
            self._register(at, speaker)
            self._make_pod(at, speaker)

    def _add_second_network(self) -> None:
        members = [*(speaker.namespace for speaker in self.speakers), self.client]
        self.second = self.net.lan(*members, interface="eth1")
        for at, member in zip([*range(11, 11 + len(self.speakers)), 101], members, strict=True):
            member.ip(f"addr add 203.0.113.{at}/24 dev eth1")
            member.ip(f"addr add 2001:db8:1::{at}/64 dev eth1")
        self.forget_macs("eth0", "eth1")

    def cut(self, speaker: Speaker) -> None:
        self.cut_first(speaker)
        self._second_port(speaker, 0)

    def cut_first(self, speaker: Speaker) -> None:
        """Cut a node off from the network of gossip alone."""
        super().cut(speaker)

    def heal(self, speaker: Speaker) -> None:
        super().heal(speaker)
        self._second_port(speaker, 3)

    def _second_port(self, speaker: Speaker, state: int) -> None:
        if self.second is not None:
            port = f"p{self.speakers.index(speaker)}"
            self.second.run("bridge", "link", "set", "dev", port, "state", str(state))

    def start_controller(self, *options: str) -> None:
        kubeconfig = self.control.kubeconfig("roost-controller")  # exactly the rights of the manifests
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        environment["METALLB_NAMESPACE"] = NAMESPACE
        inside = ["ip", "netns", "exec", self.host.name, sys.executable]
        with (self.folder / "controller.log").open("ab") as log:
            self._controller = subprocess.Popen(
                [*inside, "-m", "roost", "controller", *options], stdout=log, stderr=log, env=environment
            )

    def stop_controller(self) -> None:
        if self._controller is not None:
            self._controller.terminate()
            self._controller.wait(20)
            self._controller = None

    def start_all(self, *options: str) -> None:
        """Let the controller run, with these options, and all kube-proxies and speakers."""
        self.start_controller(*options)
        self.start_proxies()
        self.gossip()
        self.start()

    def with_pool(self) -> "Iterator[KubeLan]":
        """Give it a pool and one advertisement while a test runs, and nothing else."""
        self.api.pool("pool", "192.0.2.200-192.0.2.220", "2001:db8::200/124")
        self.api.advertisement("everywhere")
        yield self
        self.reset()

    def start_proxies(self, mode: str = "nftables") -> None:
        self._proxy_mode = mode
        for speaker in self.speakers:
            with (self.folder / f"proxy-{speaker.name}.log").open("ab") as log:
                proxy, kubeconfig = str(find("kube-proxy")), self.control.kubeconfig("system:kube-proxy")
                inside = ("ip", "netns", "exec", speaker.namespace.name)
                command = [*inside, *proxy_command(proxy, str(kubeconfig), speaker.name, mode)]
                self._proxies.append(subprocess.Popen(command, stdout=log, stderr=log))

    def gossip(self, *, membership: bool = True, account: str = "roost-speaker", **extra: str) -> None:
        """Set every speaker's environment as MetalLB's DaemonSet does."""
        for speaker in self.speakers:
            assert isinstance(speaker, KubeSpeaker)
            speaker.environment = {
                "KUBECONFIG": str(self.control.kubeconfig(account)),
                "METALLB_NAMESPACE": NAMESPACE,
                "METALLB_POD_NAME": f"speaker-{speaker.name}",
                **extra,
            }
            if membership:
                speaker.environment |= {
                    "METALLB_ML_BIND_ADDR": speaker.address,
                    "METALLB_ML_BIND_PORT": "7946",
                    "METALLB_ML_LABELS": "app=metallb,component=speaker",
                }

    def endpoints(self, service: str, *nodes: int, **conditions: bool) -> None:
        """Say that the pods of the nodes with these numbers serve `service` on port 7 (UDP)."""
        state = {"ready": True, "serving": True} | conditions
        self._put_slice(endpoint_slice(service, {f"n{at}": at for at in nodes}, state))

    def endpoints_of_both(self, service: str, *nodes: int) -> None:
        """Say that the pods of the nodes with these numbers serve `service` by TCP and UDP, IPv4 and IPv6."""
        both = [{"name": name, "port": 7, "protocol": name.upper()} for name in ("tcp", "udp")]
        body = endpoint_slice(service, {f"n{at}": at for at in nodes}, {"ready": True, "serving": True})
        body["ports"] = both
        self._put_slice(body)
        endpoints = [
            each | {"addresses": [_POD6.format(at)]}
            for each, at in zip(body["endpoints"], nodes, strict=True)
        ]
        metadata = {**body["metadata"], "name": f"{service}-6"}
        self._put_slice({**body, "metadata": metadata, "addressType": "IPv6", "endpoints": endpoints})

    def _put_slice(self, body: dict[str, Any]) -> None:
        path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        name = body["metadata"]["name"]
        if name in [item["metadata"]["name"] for item in self.api.items(path)]:
            self.api.patch(f"{path}/{name}", {"endpoints": body["endpoints"], "ports": body["ports"]})
        else:
            self.api.create(path, body)

    @contextlib.contextmanager
    def without_api(self, speaker: Speaker) -> Iterator[None]:
        """Drop what this node sends to the API server."""
        nft = partial(speaker.namespace.run, "nft")
        nft("add table inet cut")
        nft("add chain inet cut output { type filter hook output priority 0; }")
        nft(f"add rule inet cut output ip daddr {_API} drop")
        try:
            yield
        finally:
            nft("delete table inet cut")

    def echo_service(self, name: str, *, proxied: bool = True, **more: Any) -> str:
        """Make a Service of the echo pods on all nodes; return its address."""
        port = {"name": "echo", "port": 7, "protocol": "UDP", "targetPort": 7}
        self.api.service(name, **({"ports": [port]} | more))
        self.endpoints(name, *range(1, len(self.speakers) + 1))
        address = str(until(lambda: self.api.ingress(name), f"{name} has an address")[0])
        if self._proxies and proxied:
            # A flow that begins before kube-proxy knows the address is never translated while it goes on.
            until(lambda: all(self._proxied(each, address) for each in self.speakers), "proxies know it")
        return address

    def service_of_both(self, name: str, *nodes: int, **more: Any) -> list[str]:
        """Make a Service of the pods of these nodes (all), TCP and UDP 7; return its addresses, IPv4 first.

        It has both families, unless `more` says otherwise; every kube-proxy passes its traffic on.
        """
        ports = [{"name": each, "port": 7, "protocol": each.upper()} for each in ("tcp", "udp")]
        spec = {"ports": ports, "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]} | more
        self.api.service(name, **spec)
        self.endpoints_of_both(name, *(nodes or range(1, len(self.speakers) + 1)))
        count = 2 if spec["ipFamilyPolicy"] == "RequireDualStack" else 1
        found: list[str] = until(
            lambda: len(held := self.api.ingress(name)) == count and held, f"{name} has its addresses"
        )
        keys = [f"{ip} . {port['protocol'].lower()} . 7 " for ip in found for port in spec["ports"]]
        until(
            lambda: all(self._proxied(each, key) for each in self.speakers for key in keys), "proxies know it"
        )
        return found

    def _proxied(self, speaker: Speaker, address: str) -> bool:
        family = "ip6" if ":" in address else "ip"
        if self._proxy_mode == "iptables":
            return address in speaker.namespace.run(f"{family}tables-save", "-t", "nat")
        return address in speaker.namespace.run("nft", "list", "map", family, "kube-proxy", "service-ips")

    def set_node(self, name: str, **changes: Any) -> None:
        """Patch a Node: `labels`, or `conditions` (type -> status)."""
        if labels := changes.get("labels"):
            self.api.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": labels}})
        if conditions := changes.get("conditions"):
            found = [{"type": kind, "status": status} for kind, status in conditions.items()]
            self.api.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": found}})

    def told(self, service: str) -> list[Any]:
        """The ServiceL2Status objects of a service."""
        return [
            item["status"]
            for item in self.api.items(f"{METALLB}/servicel2statuses")
            if item["metadata"]["labels"]["metallb.io/service-name"] == service and item.get("status")
        ]

    def reset(self) -> None:
        """Leave all speakers running, and nothing of what a test made."""
        for speaker in self.speakers:
            self.heal(speaker)
            self.set_node(
                speaker.name,
                labels={"node.kubernetes.io/exclude-from-external-load-balancers": None, "zone": None},
                conditions={"NetworkUnavailable": "False", "Ready": "True"},
            )
            if speaker not in self.running():
                speaker.start()
        self.api.empty()
        self.whole()
        until(lambda: all(not each.status()["services"] for each in self.speakers), "nothing is left")

    def close(self) -> None:
        super().close()
        self.stop_controller()
        for proxy in self._proxies:
            proxy.kill()
            proxy.wait()
        self.control.stop()

    def _register(self, at: int, speaker: Speaker) -> None:
        """Make the Node and the speaker's Pod, as a kubelet would."""
        speaker.__class__ = KubeSpeaker
        self.api.create("/api/v1/nodes", node(speaker.name, at))
        self.api.patch(f"/api/v1/nodes/{speaker.name}/status", node_status(speaker.address))
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        self.api.create(path, pod(f"speaker-{speaker.name}", speaker.name))
        ip = {"podIP": speaker.address, "phase": "Running"}
        self.api.patch(f"{path}/speaker-{speaker.name}/status", {"status": ip})

    def _make_pod(self, at: int, speaker: Speaker) -> None:
        """Make a namespace with the echo service behind the node, and routes to it everywhere."""
        host, inner = speaker.namespace, self.net.add(f"pod{at}")
        self.pods[at] = inner
        host.sysctl("net/ipv4/ip_forward", 1)
        self.net.veth(host, "pod0", inner, "eth0")
        inner.ip(f"addr add 198.51.100.{at}/32 dev eth0")
        inner.ip(f"route add {speaker.address}/32 dev eth0")
        inner.ip(f"route add default via {speaker.address} dev eth0")
        host.ip(f"route add 198.51.100.{at}/32 dev pod0")
        address, host6 = _POD6.format(at), f"2001:db8::{10 + at}"
        host.sysctl("net/ipv6/conf/all/forwarding", 1)
        inner.ip(f"addr add {address}/128 dev eth0")
        host.ip("addr add fe80::1/64 dev pod0")  # ND answers for addresses of the link alone
        inner.ip("route add default via fe80::1 dev eth0")
        host.ip(f"route add {address}/128 dev pod0")
        for other in self.speakers:
            if other is not speaker:
                other.namespace.ip(f"route add 198.51.100.{at}/32 via {speaker.address}")
                other.namespace.ip(f"route add {address}/128 via {host6}")
        inner.spawn(sys.executable, "-m", "roost.lab.echo", speaker.name, "7")
        inner.spawn(sys.executable, "-c", _TCP_SERVER, speaker.name)


@contextlib.contextmanager
def kube_lan(folder: Path, count: int = 3, *, second: bool = False) -> Iterator[KubeLan]:
    """Give a cluster with `count` nodes; controller, proxies and speakers are not yet started.

    With a `second` network, eth1 of nodes and client is there.
    """
    with network() as net:
        made = KubeLan(net, folder, count, second=second)
        try:
            yield made
        finally:
            made.close()


def namespace_of(lan: KubeLan, name: str) -> Namespace:
    """Return the namespace of the node with this name."""
    return next(speaker.namespace for speaker in lan.speakers if speaker.name == name)
