"""Real `roost speaker` processes on a LAN of namespaces, driven through the contracts alone."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from tests.schemas import problems_of_status
from tests.system.netns import Namespace, Network, network

from roost.protocols.memberlist.frames import ETHERTYPE

__all__ = ["Lan", "Speaker", "heard_by", "lan", "services", "until"]

DEADLINE = 20.0  # seconds; generous, the machines are shared


def until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """Poll until `condition()` is truthy and return that; an AssertionError names `what`."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if result := condition():
                return result
        time.sleep(0.02)
    raise AssertionError(f"not within {deadline} s: {what}")


class Speaker:
    """One node: a namespace with eth0 on the LAN, a configuration file, and the process."""

    source: Path | None = None  # of another version to run, instead of the one that is installed

    def __init__(self, namespace: Namespace, name: str, address: str, folder: Path) -> None:
        self.namespace, self.name, self.address = namespace, name, address
        self.socket = folder / f"{name}.sock"
        self.path = folder / f"{name}.yaml"
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.config: dict[str, Any] = {}

    def write(self, **changes: Any) -> None:
        """Change top-level keys of the configuration (None removes) and write the file."""
        self.config |= changes
        self.config = {key: value for key, value in self.config.items() if value is not None}
        self.path.write_text(yaml.safe_dump(self.config))

    def start(self, *options: str) -> None:
        other = {"PYTHONPATH": str(self.source)} if self.source else {}
        self._spawn(["--config", str(self.path), *options], os.environ | other)

    def _spawn(self, options: Sequence[str], environment: dict[str, str]) -> None:
        inside = ["ip", "netns", "exec", self.namespace.name, sys.executable]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*inside, "-m", "roost", "speaker", *options], stderr=log, stdout=log, env=environment
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, deadline: float = DEADLINE) -> int:
        assert self.process is not None
        return self.process.wait(deadline)

    def ask(self, target: str) -> Any:
        """GET from the speaker's API; raises OSError while nobody listens."""
        return json.loads(self.get(target))

    def get(self, target: str) -> str:
        """GET as text; raises OSError while nobody listens."""
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(5)
        try:
            connection.sock.connect(str(self.socket))
            connection.request("GET", target)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        status = self.ask("/v1/status")
        assert isinstance(status, dict)
        assert self.source or problems_of_status(status | {"services": status["services"][:20]}) == []
        return status

    def answering(self) -> set[str]:
        """The addresses that this node answers for, as it says itself."""
        return {
            ip for service in self.status()["services"] if service["answering"] for ip in service["addresses"]
        }

    def verdicts(self) -> dict[str, str]:
        return {member["name"]: member["verdict"] for member in self.status()["members"]}

    def text(self) -> str:
        return self.log.read_text()


def services(vips: Sequence[str]) -> list[dict[str, Any]]:
    """One service for each address, named after its end."""
    return [{"name": f"s{vip[-3:]}", "addresses": [vip]} for vip in vips]


class Lan:
    """Speakers n1, n2, ... and one client on a bridge; `switch` has their ports p0, p1, ... in this order."""

    def __init__(self, net: Network, folder: Path, count: int, *extra: Namespace) -> None:
        self.net = net
        self.speakers: list[Speaker] = []
        for number in range(1, count + 1):
            node = net.add(f"n{number}")
            self.speakers.append(Speaker(node, f"n{number}", f"192.0.2.{10 + number}", folder))
        self.client = net.add("client")
        self.switch = net.lan(*(speaker.namespace for speaker in self.speakers), self.client, *extra)
        for number, speaker in enumerate(self.speakers, 1):
            speaker.namespace.ip(f"addr add {speaker.address}/24 dev eth0")
            speaker.namespace.ip(f"addr add 2001:db8::{10 + number}/64 dev eth0")
        self.forget_macs()
        self.client.ip("addr add 192.0.2.101/24 dev eth0")
        self.client.ip("addr add 2001:db8::101/64 dev eth0")

    def configure(self, services: Sequence[dict[str, Any]], profile: str = "fast", **more: Any) -> None:
        """Give every speaker the same services and the others to join."""
        for speaker in self.speakers:
            others = [f"{other.address}:7946" for other in self.speakers if other is not speaker]
            speaker.write(
                node=speaker.name,
                interfaces=["eth0"],
                membership={"bind": f"{speaker.address}:7946", "join": others, "profile": profile},
                services=list(services),
                status={"socket": str(speaker.socket)},
                **more,
            )

    def start(self, *options: str) -> None:
        for speaker in self.speakers:
            speaker.start(*options)
        self.whole()

    def whole(self) -> None:
        """Wait until every running speaker sees every other alive."""
        assert self.running(), self.speakers[0].text()
        names = {speaker.name for speaker in self.running()}

        def complete() -> bool:
            return all(
                {name for name, verdict in speaker.verdicts().items() if verdict == "alive"} == names
                and speaker.status()["settled"]
                for speaker in self.running()
            )

        until(complete, f"all of {sorted(names)} see each other alive")

    def running(self) -> list[Speaker]:
        return [speaker for speaker in self.speakers if speaker.process and speaker.process.poll() is None]

    def leader(self, address: str, among: Sequence[Speaker] | None = None) -> Speaker:
        """The one running speaker (of `among`) that answers for `address`, once there is exactly one."""

        def single() -> Speaker | None:
            found = [speaker for speaker in among or self.running() if address in speaker.answering()]
            return found[0] if len(found) == 1 else None

        leader = until(single, f"exactly one speaker answers for {address}")
        assert isinstance(leader, Speaker)
        return leader

    def cut(self, speaker: Speaker) -> None:
        self.switch.run("bridge", "link", "set", "dev", f"p{self.speakers.index(speaker)}", "state", "0")

    def heal(self, speaker: Speaker) -> None:
        self.switch.run("bridge", "link", "set", "dev", f"p{self.speakers.index(speaker)}", "state", "3")

    def drop_frames_of_gossip(self) -> None:
        """Be a fabric that passes no frames of an EtherType it does not know: gossip has its port alone."""
        for rule in (
            "add table bridge fabric",
            "add chain bridge fabric forward { type filter hook forward priority 0; }",
            f"add rule bridge fabric forward ether type {ETHERTYPE:#x} drop",
        ):
            self.switch.run("nft", rule)

    def answered_once(self, addresses: Sequence[str], patience: float = DEADLINE) -> None:
        """Wait until each of `addresses` has one answerer."""

        def one_each() -> bool:
            return all(len(self.answerers(address, 0.1)) == 1 for address in addresses)

        until(one_each, "each address has one answerer", patience)

    def answerers(self, address: str, wait: float = 0.4, interface: str = "eth0") -> set[str]:
        """Ask the LAN for `address` by ARP or ND; the names of all that answer within `wait` seconds.

        Only answers with a node's hardware address on that LAN count.
        """
        macs = self._macs[interface]
        heard = heard_by(self.client, address, wait, interface)
        return {macs[mac] for mac in heard if mac in macs}

    def forget_macs(self, *interfaces: str) -> None:
        """Read the nodes' hardware addresses again, after one of them was changed."""
        self._macs = {
            interface: {speaker.namespace.mac(interface): speaker.name for speaker in self.speakers}
            for interface in interfaces or ("eth0",)
        }

    def settle_on(self, address: str, names: set[str], interface: str = "eth0") -> None:
        """Wait until exactly the nodes `names` answer for `address` on the wire."""

        def settled() -> bool:
            return self.answerers(address, interface=interface) == names

        until(settled, f"{address} is answered by {sorted(names)} on {interface}")

    def close(self) -> None:
        for speaker in self.running():
            assert speaker.process is not None
            speaker.process.kill()
            speaker.process.wait()


def heard_by(client: Namespace, address: str, wait: float, interface: str = "eth0") -> set[bytes]:
    """Ask everybody from `client` for `address`; the hardware addresses in the answers."""
    ask = _solicit if ":" in address else _arp
    return ask(client, address, wait, interface)


def _arp(client: Namespace, address: str, wait: float, interface: str) -> set[bytes]:
    """Broadcast one ARP request; the hardware addresses in the replies for `address`."""
    mac, target = client.mac(interface), socket.inet_aton(address)
    # Its own address: nodes learn from a question where the asker is.
    (own, *_) = re.findall(r"inet ([0-9.]+)", client.ip(f"-4 addr show dev {interface}")) or ["0.0.0.0"]
    begin = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 0604 0001")
    ask = begin + mac + socket.inet_aton(own)
    with client.entered():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    with raw:
        raw.bind((interface, 0x0806))
        raw.send(ask + bytes(6) + target)
        frames = list(_receive(raw, wait))
    return {frame[22:28] for frame in frames if frame[20:22] == b"\x00\x02" and frame[28:32] == target}


def _receive(raw: socket.socket, wait: float) -> Iterator[bytes]:
    end = time.monotonic() + wait
    while (left := end - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            yield raw.recv(2048)
        except TimeoutError:
            return


def _solicit(client: Namespace, address: str, wait: float, interface: str) -> set[bytes]:
    done = subprocess.run(
        [
            "ip",
            "netns",
            "exec",
            client.name,
            "ndisc6",
            "-m",
            "-r",
            "1",
            "-w",
            str(int(wait * 1000)),
            address,
            interface,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    words = done.stdout.split()
    return {
        bytes.fromhex(word.replace(":", "")) for word in words if len(word) == 17 and word.count(":") == 5
    }


@contextlib.contextmanager
def lan(folder: Path, count: int = 3) -> Iterator[Lan]:
    """Give a LAN with `count` speakers, not yet started; everything is gone at the end."""
    with network() as net:
        made = Lan(net, folder, count)
        try:
            yield made
        finally:
            made.close()
