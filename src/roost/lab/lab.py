"""Nodes with real speakers and clients with real pings on the fabric, and what can be done to them."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

import yaml

from roost.lab.events import Coming, Event
from roost.lab.fabric import Fabric, Host, LabError
from roost.lab.held import Held
from roost.lab.node import Node
from roost.lab.pinging import Client
from roost.lab.plan import PORT, Options, addresses, configuration, service
from roost.lab.records import Pings
from roost.lab.router import GATEWAYS, Router, behind
from roost.runtime.http_client import request

__all__ = ["Lab"]

_START: Final = 30.0  # seconds for hundreds of addresses on a busy machine
_TICK: Final = 0.05  # seconds between two looks at what the clients say
_TENTH: Final = 0.1  # seconds of what a client says at once
_LOOK: Final = 0.1  # seconds between two looks at the router's neighbours
_FLOWS: Final = 8  # of each client to each address, where connections are spread


class Lab:
    """Everything brought up on one fabric; `on_tick` is called while time passes.

    Raises LabError when the lab itself fails.
    """

    def __init__(
        self, options: Options, folder: Path, on_tick: Callable[["Lab"], None] = lambda _lab: None
    ) -> None:
        self.options = options
        self.events: list[Event] = []
        self.coming = Coming("")
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._on_tick = on_tick
        self._folder = folder
        self.services = [service(n, options) for n in range(options.vips)]
        self.router = Router() if options.sharing == "connection" else None
        gateways = GATEWAYS if self.router else ()
        hosts = [
            Host(f"n{n}", addresses("192.0.2.", 10 + n, 24, v6=True), gateways=gateways)
            for n in range(1, options.nodes + 1)
        ]
        self.nodes = {host.name: Node(host, folder) for host in hosts}
        self._client_hosts = [
            behind(f"c{n}", n) if self.router else Host(f"c{n}", addresses("192.0.2.", 100 + n, 24, v6=True))
            for n in range(1, options.clients + 1)
        ]
        self.clients: list[Client] = []
        self.held: dict[str, Held] = {}  # by client
        others = [*([self.router.host] if self.router else ()), *self._client_hosts]
        self.fabric = Fabric(hosts, others, inspects=options.inspects, proxies=options.proxies)
        self._led: dict[str, str] = {}  # address -> node, as the router has it
        self._looked_at = float("-inf")
        self._macs = {self.fabric.mac(host): host.name for host in hosts}
        if self.router:
            self.router.start()
        folder.mkdir()
        self.began = time.monotonic()

    @property
    def addresses(self) -> list[str]:
        """Every service address."""
        return [address for service in self.services for address in service]

    @property
    def targets(self) -> list[str]:
        """What each client pings: every address, or some flows to it, `ADDRESS#NUMBER`."""
        if self.router is None:
            return self.addresses
        return [f"{address}#{number}" for address in self.addresses for number in range(1, _FLOWS + 1)]

    @property
    def connections(self) -> int:
        """How many TCP connections the clients hold, all together, while none is broken."""
        return sum(each.wanted for each in self.held.values())

    @property
    def _interval(self) -> float:
        """Seconds between two pings of a client to one target."""
        return self.options.interval * len(self.targets) / len(self.addresses)

    def start(self) -> None:
        """Start services, speakers and clients, and wait until every address is answered."""
        self.began = time.monotonic()
        for node in self.nodes.values():
            self._configure(node)
            node.echo = node.host.spawn("roost.lab.echo", node.name, str(PORT), "tcp")
            node.start()
        self.wait(self.is_whole, _START, "the speakers see each other")
        if self.router:
            self.wait(self.is_spread, _START, "connections are spread over all nodes")
        for host in self._client_hosts:
            self._start_client(host)
        self.wait(lambda: self.answered(self.targets), _START, "every address is answered")
        self.wait(self.is_held, _START, "the clients hold connections")

    def leader(self, address: str) -> str:
        """The node that answered the pings to `address` last, or that the router sends them to."""
        if self.router:
            return self._leaders().get(address, "")
        return next((client.seen[address][0] for client in self.clients if address in client.seen), "")

    def led_by(self, node: str) -> tuple[str, ...]:
        """The targets whose pings `node` answers, to any client where they are shared.

        Where connections are spread these are flows, and all flows to what the router sends to this node.
        """
        if self.options.sharing != "leader":
            used = {each for one in self.clients for each, (who, *_) in one.seen.items() if who == node}
            led = {address for address, leader in self._leaders().items() if leader == node}
            return tuple(each for each in self.targets if each in used or each.partition("#")[0] in led)
        return tuple(address for address in self.addresses if self.leader(address) == node)

    def is_sent_to(self, node: str) -> bool:
        """Tell whether the router, where there is one, sends to `node` what is for any address."""
        return node in self._leaders().values()

    def parts(self) -> Mapping[str, float]:
        """Which part of all flows each node has, by who answered last."""
        last = Counter(who for one in self.clients for who, *_ in one.seen.values())
        return {name: last[name] / max(1, last.total()) for name in self.nodes}

    def _leaders(self) -> dict[str, str]:
        """Whom the router sends what is for an address to; a moment ago will do."""
        if self.router and (now := time.monotonic()) > self._looked_at + _LOOK:
            found = self.router.neighbours(self.addresses)
            self._led = {address: self._macs.get(mac, "") for address, mac in found.items()}
            self._looked_at = now
        return self._led

    def answered(self, addresses: Collection[str], without: str = "") -> bool:
        """Tell whether all clients have answers of all these targets now, none of them from `without`."""
        entries = [self._lately(client, each) for client in self.clients for each in addresses]
        return all(who not in ("", without) and ok > 0 for who, ok in entries)

    def _lately(self, client: Client, target: str) -> tuple[str, int]:
        """Return who answered a client last, and how many of its pings, while one at least was sent."""
        lines = 1 + int(self._interval / _TENTH)
        if lines == 1:
            who, ok, _ = client.seen.get(target, ("", 0, 1))
            return who, ok
        entries = list(client.history.get(target, ()))[-lines:]
        return (entries[-1][0], sum(ok for _, ok, _ in entries)) if entries else ("", 0)

    def cut(self, node: str) -> Event:
        """Block the node's port silently."""
        return self._change("cut", node, self.fabric.cut, begins="cut")

    def heal(self, node: str) -> Event:
        """Let the node's port forward again."""
        return self._change("healed", node, self.fabric.heal, ends="cut")

    def unplug(self, node: str) -> Event:
        """Pull the node's cable."""
        return self._change("unplugged", node, self.fabric.unplug, begins="unplugged")

    def plug(self, node: str) -> Event:
        """Put the node's cable back."""
        return self._change("plugged in", node, self.fabric.plug, ends="unplugged")

    def kill(self, node: str) -> Event:
        """Kill the node's speaker with SIGKILL; the node itself lives."""
        return self._signal("killed", node, signal.SIGKILL, begins="killed")

    def stop(self, node: str) -> Event:
        """Ask the node's speaker to hand over and leave."""
        return self._signal("planned stop", node, signal.SIGTERM, begins="stopped")

    def freeze(self, node: str) -> Event:
        """Stop the node's speaker with SIGSTOP."""
        return self._signal("frozen", node, signal.SIGSTOP, begins="frozen")

    def thaw(self, node: str) -> Event:
        """Let the frozen speaker go on."""
        return self._signal("thawed", node, signal.SIGCONT, ends="frozen")

    def restart(self, node: str) -> Event:
        """Start the node's speaker again after it was killed or stopped."""
        event = self.note("restarted", node)
        if (speaker := self.nodes[node].speaker) is not None:
            speaker.wait(20)
        self.nodes[node].start()
        return event

    def drain(self, node: str) -> Event:
        """Ask the node, through its own speaker, to give away what it leads."""
        event = self.note("drained", node)
        request("POST", self.nodes[node].socket, f"/v1/drain/{node}?wish=true")
        self.nodes[node].faults["draining"] = None
        return event

    def undrain(self, node: str) -> Event:
        """Let the node lead again."""
        event = self.note("drain undone", node)
        request("POST", self.nodes[node].socket, f"/v1/drain/{node}?wish=false")
        self.nodes[node].faults.pop("draining", None)
        return event

    def mute(self, node: str) -> Event:
        """Lose what the node sends, while it hears everything."""
        return self._change("muted", node, self.fabric.mute, begins="muted")

    def unmute(self, node: str) -> Event:
        """Let what the node sends pass again."""
        return self._change("unmuted", node, self.fabric.unmute, ends="muted")

    def split(self, nodes: Sequence[str]) -> Event:
        """Put nodes, and the last client, on a LAN of their own."""
        event = self.note("split off", nodes[0], self.targets)  # each client loses somebody
        self.fabric.split(self._other_side(nodes))
        for node in nodes:
            self.nodes[node].faults["split off"] = None
        return event

    def join(self, nodes: Sequence[str]) -> Event:
        """Make one LAN of the two again."""
        event = self.note("joined", nodes[0], self.targets)
        self.fabric.join(self._other_side(nodes))
        for node in nodes:
            self.nodes[node].faults.pop("split off", None)
        return event

    def deafen(self) -> None:
        """Let the clients lose whatever is not sent to them alone."""
        for host in [self.router.host] if self.router else self._client_hosts:
            self.fabric.deafen(host)

    def lose(self, percent: int) -> Event:
        """Lose some of 100 frames of every node, each way."""
        for node in self.nodes.values():
            self.fabric.lose(node.host, percent)
        return self.note(f"{percent} % lost", next(iter(self.nodes)), self.targets)

    def burden(self, spinners: int, megabits: int) -> Event:
        """Keep the processors busy and every node's link full for the options' duration."""
        seconds = str(self.options.duration)
        for node in self.nodes.values():
            self.fabric.limit(node.host, megabits)
            target = node.host.addresses[0].split("/")[0]
            self._client_hosts[0].spawn("roost.lab.flood", target, str(megabits), seconds)
        spin = f"import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
        for _ in range(spinners):
            subprocess.Popen([sys.executable, "-c", spin])
        return self.note("busy", next(iter(self.nodes)), self.targets)

    def note(self, label: str, node: str, addresses: Sequence[str] = ()) -> Event:
        """Remember that something was done to `node` just now, which led `addresses` or those it leads."""
        event = Event(label, node, time.monotonic(), tuple(addresses) or self.led_by(node))
        self.events.append(event)
        self._on_tick(self)
        return event

    def wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Let time pass until `condition()`; raises LabError that names `what` after `seconds`."""
        end = time.monotonic() + seconds
        self.coming = Coming(what, end, waits=True)
        while not condition():
            if time.monotonic() > end:
                shut = ", ".join(self.fabric.ports_shut)
                because = f" (ports shut for too much ARP: {shut})" if shut else ""
                raise LabError(f"not within {seconds:g} s: {what}{because}\n{self._last_words()}")
            self._pass()

    def sleep(self, seconds: float, then: str = "") -> None:
        """Let time pass; `then` is what comes next, for people."""
        end = time.monotonic() + seconds
        self.coming = Coming(then, end)
        while time.monotonic() < end:
            self._pass()

    def order(self, do: Callable[[], None]) -> None:
        """Have `do` called while time passes; any thread may say so."""
        self._orders.put(do)

    def keep(self) -> None:
        """Let time pass until a signal ends it."""
        self.coming = Coming("Ctrl-C ends the lab and tells what the clients saw")
        while True:
            self._pass()

    def finish(self) -> dict[str, dict[str, Pings]]:
        """End the clients and return their pings by client and address."""
        for client in self.clients:
            client.end()
        for held in self.held.values():
            held.end()
        return {client.name: client.pings() for client in self.clients}

    def _other_side(self, nodes: Sequence[str]) -> list[Host]:
        client = [] if self.router else self._client_hosts[1:][-1:]
        return [*(self.nodes[node].host for node in nodes), *client]

    def is_whole(self) -> bool:
        """Tell whether all speakers see each other alive."""
        return all(node.alive() == self.nodes.keys() for node in self.nodes.values())

    def is_held(self) -> bool:
        """Tell whether all connections that the clients hold are open."""
        return all(each.held == each.wanted for each in self.held.values())

    def is_spread(self) -> bool:
        """Tell whether all speakers see all nodes take connections of every address."""
        everywhere = [set(self.nodes)] * len(self.services)
        return all(node.shares() == everywhere for node in self.nodes.values())

    def _change(
        self, label: str, node: str, change: Callable[[Host], None], *, begins: str = "", ends: str = ""
    ) -> Event:
        event = self.note(label, node)
        change(self.nodes[node].host)
        self._mark(node, begins, ends)
        return event

    def _signal(
        self, label: str, node: str, number: signal.Signals, *, begins: str = "", ends: str = ""
    ) -> Event:
        event = self.note(label, node)
        self.nodes[node].signal(number)
        self._mark(node, begins, ends)
        return event

    def _mark(self, node: str, begins: str, ends: str) -> None:
        faults = self.nodes[node].faults
        if begins:
            faults[begins] = None
        faults.pop(ends, None)
        self._on_tick(self)

    def _pass(self) -> None:
        """Let a moment pass, or do what was ordered meanwhile."""
        self._on_tick(self)
        with suppress(Empty):
            self._orders.get(timeout=_TICK)()

    def _start_client(self, host: Host) -> None:
        file = self._folder / f"{host.name}.json"
        process = host.spawn("roost.lab.client", str(file), str(self._interval), str(PORT), *self.targets)
        client = Client(host, file, process)
        threading.Thread(target=client.listen, daemon=True).start()
        self.clients.append(client)
        self.held[host.name] = Held(host, PORT, self.addresses)

    def _configure(self, node: Node) -> None:
        others = [each.host for each in self.nodes.values() if each is not node]
        config = configuration(node.host, others, self.services, node.socket, self.options)
        (self._folder / f"{node.name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def _last_words(self) -> str:
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(f"{log.stem}: {line}" for log in logs for line in log.read_text().splitlines()[-3:])
