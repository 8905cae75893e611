"""`roost lab --kubernetes`: a real control plane and real kube-proxies over nodes that are namespaces.

192.0.2.0/24: nodes n1.. (.11 ..), the client (.101), the API server (.250)
198.51.100.0/24: a pod on each node, reached through it
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from roost.kubernetes.client import Api
from roost.kubernetes.credentials import find as find_credentials
from roost.kubernetes.definitions import definitions
from roost.kubernetes.kinds import (
    ADVERTISEMENTS,
    DEFINITIONS,
    L2_STATUSES,
    NAMESPACES,
    NODES,
    PODS,
    POOLS,
    SERVICES,
    SLICES,
)
from roost.lab.agreement import agreed_leader
from roost.lab.cluster_objects import endpoint_slice, node, node_status, pod, pod_address, proxy_command
from roost.lab.components.find import MissingComponentError, find
from roost.lab.control_plane import ControlPlane, ControlPlaneError
from roost.lab.fabric import Fabric, Host, LabError, command
from roost.lab.records import load, outage

__all__ = ["Story", "tell"]

_API: Final = "192.0.2.250"
_NAMESPACE: Final = "metallb-system"
_WAIT: Final = 60.0  # seconds for anything to happen
_AFTER: Final = 2.0  # seconds that are looked at after the cut
_PORT: Final = "7"
_SETTLED: Final = 2.0  # seconds in which all speakers name the same leader
_READY: Final = {"ready": True, "serving": True}


@dataclass(frozen=True, slots=True)
class Story:
    """What happened: times in seconds; `outage` is what the client saw when the leader was cut off."""

    nodes: int
    address: str
    leader: str
    successor: str
    ready_after: float
    outage: float
    lost: int

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {"drill": "kubernetes", **asdict(self)}


def tell(nodes: int, profile: str, folder: Path, say: Callable[[str], None]) -> Story:
    """Bring up a cluster, announce a Service, cut its leader off silently. Raises LabError."""
    try:
        return _Cluster(nodes, profile, folder, say).story()
    except (MissingComponentError, ControlPlaneError) as error:
        raise LabError(str(error)) from error


class _Cluster:
    """Nodes n1 .. with pods, proxies and speakers; the kernel takes all away with this process."""

    def __init__(self, count: int, profile: str, folder: Path, say: Callable[[str], None]) -> None:
        self.nodes = [Host(f"n{at}", [f"192.0.2.{10 + at}/24"]) for at in range(1, count + 1)]
        self.client = Host("c1", ["192.0.2.101/24"])
        self.fabric = Fabric([*self.nodes, self.client])
        self.folder = folder
        self.profile = profile
        self.say = say
        folder.mkdir(parents=True, exist_ok=True)
        command("ip", "address", "add", f"{_API}/24", "dev", "br0")
        for at, host in enumerate(self.nodes, 1):
            self._make_pod(at, host)
        self.control = ControlPlane(folder / "control", _API)

    def story(self) -> Story:
        """Do it all, telling each step."""
        begin = time.monotonic()
        self.say("starting etcd and kube-apiserver")
        self.control.start()
        os.environ["KUBECONFIG"] = str(self.control.kubeconfig())
        os.environ["METALLB_NAMESPACE"] = _NAMESPACE
        asyncio.run(self._register())
        self.say(f"{len(self.nodes)} nodes: a kube-proxy, a pod and a speaker on each; a controller")
        self._start_processes()
        address = asyncio.run(self._announce())
        ready = time.monotonic() - begin
        leader = self._prepare(address)
        self.say(f"Service web has the address {address}, {leader} answers for it")
        with self._pinging(address) as (answered, finish):
            _until(answered, "the client reaches a pod")
            mac = self.fabric.mac(self._host(leader))
            _until(
                lambda: mac in self._neighbour(address), f"the client's frames for {address} go to {leader}"
            )
            self.say(f"the client reaches pod {answered()}; {leader} is cut off without a word")
            cut = time.monotonic()
            self.fabric.cut(self._host(leader))
            time.sleep(_AFTER)
            seen = outage(finish(), cut - 0.1, cut + _AFTER)
        successor = asyncio.run(self._told(other_than=leader))
        self.say(f"{successor} answers; the client lost {seen.lost} pings, {seen.longest * 1e3:.0f} ms")
        self.control.stop()
        return Story(len(self.nodes), address, leader, successor, ready, seen.longest, seen.lost)

    def _prepare(self, address: str) -> str:
        """Return the leader once all agree on it, and once no proxy sends anything to its pod.

        That pod goes with the node; what is to be seen is the address.
        """
        while True:
            leader = self._settled_leader(address)
            asyncio.run(self._serve_without(leader))
            gone = pod_address(self._pods()[leader])
            for host in self.nodes:
                # A flow that begins before kube-proxy knows the address is never translated while it goes on.
                _until(partial(_is_proxied, host, address), f"kube-proxy on {host.name} knows {address}")
                _until(partial(_is_not_proxied, host, gone), f"kube-proxy on {host.name} forgot {gone}")
            if self._settled_leader(address) == leader:
                return leader

    def _settled_leader(self, address: str) -> str:
        """Wait until every speaker has named the same leader for a while, and that node alone answers."""
        found, since = "", time.monotonic()
        sockets = {host.name: self.folder / f"{host.name}.sock" for host in self.nodes}

        def is_settled() -> bool:
            nonlocal found, since
            now = agreed_leader(sockets, address)
            if now != found:
                found, since = now, time.monotonic()
            return bool(found) and time.monotonic() - since >= _SETTLED

        _until(is_settled, f"all speakers agree on who leads {address}; the logs are in {self.folder}")
        return found

    def _neighbour(self, address: str) -> str:
        """Return where the client's kernel sends frames for `address`."""
        show = ["ip", "-n", self.client.name, "neigh", "show", address]
        return subprocess.run(show, capture_output=True, text=True, check=False).stdout

    def _host(self, name: str) -> Host:
        return next(host for host in self.nodes if host.name == name)

    async def _register(self) -> None:
        """Make what an administrator and the kubelets would make."""
        api = Api(find_credentials())
        await api.create(NAMESPACES.path(), {"metadata": {"name": _NAMESPACE}})
        for definition in definitions():
            await api.create(DEFINITIONS.path(), definition)
        for at, host in enumerate(self.nodes, 1):
            address = f"192.0.2.{10 + at}"
            await api.create(NODES.path(), node(host.name, at))
            await api.patch(NODES.path(name=host.name, part="status"), node_status(address))
            name = f"speaker-{host.name}"
            await api.create(PODS.path(_NAMESPACE), pod(name, host.name))
            running = {"status": {"podIP": address, "phase": "Running"}}
            await api.patch(PODS.path(_NAMESPACE, name, "status"), running)
        await api.close()

    async def _announce(self) -> str:
        """Make a pool, an advertisement and a Service; return its address once it is announced."""
        api = Api(find_credentials())
        version = {"apiVersion": "metallb.io/v1beta1"}
        pool = {"metadata": {"name": "lab"}, "spec": {"addresses": ["192.0.2.200-192.0.2.220"]}}
        await api.create(POOLS.path(_NAMESPACE), {**version, "kind": "IPAddressPool", **pool})
        rule = {"metadata": {"name": "lab"}}
        await api.create(ADVERTISEMENTS.path(_NAMESPACE), {**version, "kind": "L2Advertisement", **rule})
        port = {"name": "echo", "port": 7, "protocol": "UDP", "targetPort": 7}
        spec = {"type": "LoadBalancer", "ports": [port]}
        await api.create(SERVICES.path("default"), {"metadata": {"name": "web"}, "spec": spec})
        await api.create(SLICES.path("default"), endpoint_slice("web", self._pods(), _READY))
        end = time.monotonic() + _WAIT
        while time.monotonic() < end:
            await asyncio.sleep(0.1)
            status = (await api.get(SERVICES.path("default", "web")))["status"]
            told = await _nodes_told(api)
            if (ingress := status["loadBalancer"].get("ingress")) and told:
                await api.close()
                return str(ingress[0]["ip"])
        raise LabError(f"no address was announced; the logs are in {self.folder}")

    async def _serve_without(self, leader: str) -> None:
        """Let the pods of all other nodes serve."""
        api = Api(find_credentials())
        others = {name: at for name, at in self._pods().items() if name != leader}
        endpoints = endpoint_slice("web", others, _READY)["endpoints"]
        await api.patch(SLICES.path("default", "web-1"), {"endpoints": endpoints})
        await api.close()

    def _pods(self) -> dict[str, int]:
        """Return the number of the pod on each node."""
        return {host.name: at for at, host in enumerate(self.nodes, 1)}

    async def _told(self, other_than: str) -> str:
        api = Api(find_credentials())
        end = time.monotonic() + _WAIT
        while time.monotonic() < end:
            if (told := await _nodes_told(api)) and told != [other_than]:
                await api.close()
                return next(name for name in told if name != other_than)
            await asyncio.sleep(0.1)
        raise LabError(f"nobody took over; the logs are in {self.folder}")

    def _start_processes(self) -> None:
        quiet = ("--port=0", "--health-probe-port=0", "--webhook-mode=disabled")
        with (self.folder / "controller.log").open("ab") as log:
            subprocess.Popen([sys.executable, "-m", "roost", "controller", *quiet], stdout=log, stderr=log)
        proxy, kubeconfig = str(find("kube-proxy")), str(self.control.kubeconfig("system:kube-proxy"))
        for host in self.nodes:
            inside = ("nsenter", f"--net=/run/netns/{host.name}")
            with (self.folder / f"proxy-{host.name}.log").open("ab") as log:
                arguments = [*inside, *proxy_command(proxy, kubeconfig, host.name)]
                subprocess.Popen(arguments, stdout=log, stderr=log)
            with (self.folder / f"{host.name}.log").open("ab") as log:
                host.spawn(
                    "roost",
                    "speaker",
                    "--kubernetes",
                    f"--node-name={host.name}",
                    f"--ml-bindaddr={host.addresses[0].split('/')[0]}",
                    "--ml-labels=app=metallb,component=speaker",
                    f"--socket={self.folder / host.name}.sock",
                    f"--profile={self.profile}",
                    log=log,
                )

    @contextmanager
    def _pinging(self, address: str) -> Iterator[tuple[Callable[[], str], Callable[[], Any]]]:
        """Ping every 2 ms; gives who answered last, and a function that ends it and returns all pings."""
        file = self.folder / "pings.json"
        process = self.client.spawn("roost.lab.client", str(file), "0.002", _PORT, address)
        last = ""

        def follow() -> None:
            nonlocal last
            assert process.stdout is not None  # noqa: S101 - spawned with a pipe
            for line in process.stdout:
                who, answered, *_ = json.loads(line)[address]
                last = str(who) if answered else ""

        def finish() -> Any:
            assert process.stdin is not None  # noqa: S101 - spawned with a pipe
            process.stdin.close()
            process.wait(10)
            return load(json.loads(file.read_text()))[address]

        threading.Thread(target=follow, daemon=True).start()
        yield (lambda: last), finish

    def _make_pod(self, at: int, host: Host) -> None:
        """Make a namespace with the echo service behind a node, and routes to it on all nodes."""
        name, gateway, address = f"pod{at}", f"192.0.2.{10 + at}", pod_address(at)
        command("ip", "netns", "add", name)
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        command("nsenter", f"--net=/run/netns/{host.name}", "sh", "-c", forward)
        cable = ("type", "veth", "peer", "name", "eth0", "netns", name)
        command("ip", "link", "add", "pod0", "netns", host.name, *cable)
        command("ip", "-n", host.name, "link", "set", "pod0", "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("link", "set", "eth0", "up"),
            ("address", "add", f"{address}/32", "dev", "eth0"),
            ("route", "add", gateway, "dev", "eth0"),
            ("route", "add", "default", "via", gateway, "dev", "eth0"),
        ):
            command("ip", "-n", name, *words)
        for other in self.nodes:
            way = ("dev", "pod0") if other is host else ("via", gateway)
            command("ip", "-n", other.name, "route", "add", f"{address}/32", *way)
        Host(name, []).spawn("roost.lab.echo", host.name, _PORT)


async def _nodes_told(api: Api) -> list[str]:
    """Return the nodes that say they announce."""
    items = (await api.get(L2_STATUSES.path(_NAMESPACE))).get("items") or ()
    return [item["status"]["node"] for item in items if item.get("status", {}).get("node")]


def _is_proxied(host: Host, address: str) -> bool:
    return address in _rules(host, "map", "service-ips")


def _is_not_proxied(host: Host, address: str) -> bool:
    # What kube-proxy uses no more, it deletes at some later change: only what leads there counts.
    return not re.search(rf"goto endpoint-\S*__{re.escape(address)}/", _rules(host, "table"))


def _rules(host: Host, kind: str, *name: str) -> str:
    """Return what kube-proxy has set in a host's kernel."""
    listing = ("nft", "list", kind, "ip", "kube-proxy", *name)
    inside = ("nsenter", f"--net=/run/netns/{host.name}")
    return subprocess.run([*inside, *listing], capture_output=True, text=True, check=False).stdout


def _until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + _WAIT
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"not within {_WAIT:.0f} s: {what}")
        time.sleep(0.05)
