"""keepalived and FRR's vrrpd as peers of a virtual router, each in a namespace with files of its own."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.system.netns import Namespace
from tests.system.speakers import until

from roost.protocols.vrrp.packet import virtual_mac

__all__ = ["FRR", "KEEPALIVED", "Frr", "Keepalived", "Router"]

_FRR = Path("/usr/lib/frr")

KEEPALIVED = pytest.mark.skipif(
    shutil.which("keepalived") is None, reason="needs keepalived (tools/setup dev)"
)
FRR = pytest.mark.skipif(not (_FRR / "vrrpd").exists(), reason="needs FRR's vrrpd (tools/setup dev)")


@dataclass(frozen=True)
class Router:
    """One virtual router of a peer; `interval` in seconds. All addresses are of one family."""

    vrid: int
    addresses: Sequence[str]
    priority: int = 100
    version: int = 3
    interval: float = 0.1
    password: str = ""
    peers: Sequence[str] = ()
    source: str = ""  # of unicast adverts
    preempt: bool = True

    @property
    def family(self) -> int:
        return ip_address(self.addresses[0]).version


class Keepalived:
    """keepalived on eth0 of `namespace`."""

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        self.namespace = namespace
        self._folder = folder / f"{namespace.name}-keepalived"
        self._folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *routers: Router, more: str = "", node: str = "") -> None:
        """Write the configuration and start, for `@node` conditions if there are any."""
        path = self._folder / "keepalived.conf"
        path.write_text(
            "global_defs { router_id test }\n" + more + "".join(_instance(each) for each in routers)
        )
        path.chmod(0o600)
        files = [f"--{kind}={self._folder / kind}" for kind in ("pid", "vrrp_pid", "checkers_pid")]
        named = [f"--config-id={node}"] if node else []
        inside = ["ip", "netns", "exec", self.namespace.name]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*inside, "keepalived", "-n", "-l", "-D", "-P", f"--use-file={path}", *files, *named],
                stdout=log,
                stderr=log,
            )

    def text(self) -> str:
        return (self._folder / "log").read_text()

    def states(self, vrid: int) -> list[str]:
        """The states that an instance has entered, in order."""
        lines = (line for line in self.text().splitlines() if f"(r{vrid})" in line or f"(r{vrid}v6)" in line)
        return [line.split("Entering ")[1].split()[0] for line in lines if "Entering " in line]

    def terminate(self) -> None:
        """Let it leave: with priority 0."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()  # its children end with it
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _instance(router: Router) -> str:
    lines = [
        "state BACKUP",
        "interface eth0",
        f"virtual_router_id {router.vrid}",
        f"priority {router.priority}",
        f"version {router.version}",
        f"advert_int {router.interval:g}",
        "garp_master_delay 1",
    ]
    if router.password:
        lines.append(f"authentication {{\n auth_type PASS\n auth_pass {router.password}\n }}")
    if router.peers:
        lines.append("unicast_peer {\n" + "\n".join(router.peers) + "\n}")
    if router.source:
        lines.append(f"unicast_src_ip {router.source}")
    if not router.preempt:
        lines.append("nopreempt")
    size = 24 if router.family == 4 else 64
    lines.append("virtual_ipaddress {\n" + "\n".join(f"{each}/{size}" for each in router.addresses) + "\n}")
    name = f"r{router.vrid}" + ("" if router.family == 4 else "v6")
    return f"vrrp_instance {name} {{\n" + "\n".join(lines) + "\n}\n"


class Frr:
    """zebra and vrrpd on eth0 of `namespace`; vrrpd takes macvlans with the virtual addresses for its own."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self._folder = Path(tempfile.mkdtemp(prefix="frr-"))  # pytest's own is closed to its user
        self._folder.chmod(0o755)
        shutil.chown(self._folder, "frr", "frr")
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *routers: Router) -> None:
        """Make the macvlans, write the configuration and start."""
        for router in routers:
            name, mac = f"vr{router.family}-{router.vrid}", virtual_mac(router.vrid, router.family).hex(":")
            self.namespace.ip(f"link add {name} link eth0 type macvlan mode bridge")
            self.namespace.ip(f"link set {name} addrgenmode random")
            self.namespace.ip(f"link set {name} address {mac}")
            for address in router.addresses:
                self.namespace.ip(f"addr add {address}/{32 if router.family == 4 else 128} dev {name}")
            self.namespace.ip(f"link set {name} up")
        path = self._folder / "frr.conf"
        path.write_text("log stdout\ninterface eth0\n")
        with path.open("a") as file:
            for router in routers:
                kind = "ip" if router.family == 4 else "ipv6"
                file.write(f" vrrp {router.vrid} version {router.version}\n")
                file.write(f" vrrp {router.vrid} priority {router.priority}\n")
                file.write(f" vrrp {router.vrid} advertisement-interval {round(router.interval * 1000)}\n")
                if not router.preempt:
                    file.write(f" no vrrp {router.vrid} preempt\n")
                file.writelines(f" vrrp {router.vrid} {kind} {each}\n" for each in router.addresses)
        self._run("zebra")
        until((self._folder / "zserv.api").exists, "zebra listens")  # else vrrpd tries again after 10 s
        self._run("vrrpd", "-f", str(path))

    def _run(self, name: str, *options: str) -> None:
        inside = ["ip", "netns", "exec", self.namespace.name, str(_FRR / name), "-A", "127.0.0.1"]
        files = ["-i", f"{self._folder}/{name}.pid", "-z", f"{self._folder}/zserv.api"]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [*inside, *files, "--vty_socket", str(self._folder), *options], stdout=log, stderr=log
                )
            )

    def show(self) -> str:
        """What vrrpd says of its routers."""
        done = subprocess.run(
            ["vtysh", "--vty_socket", str(self._folder), "-c", "show vrrp"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def states(self) -> dict[int, str]:
        """The state of each of its routers by VRID, as `show vrrp` has it, for the family that it has."""
        time.sleep(0.1)  # asking costs a process
        found: dict[int, str] = {}
        vrid = 0
        for line in map(str.strip, self.show().splitlines()):
            if line.startswith("Virtual Router ID"):
                vrid = int(line.split()[-1])
            if line.startswith("Status (v") and line.split()[-1] != "Initialize":
                found[vrid] = line.split()[-1]
        return found

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
