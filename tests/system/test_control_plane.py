"""The address of a control plane, as docs/how-to/control-plane-address.md has it: three hosts, a /livez each.

The API servers are small HTTPS servers with a certificate like kubeadm's. One speaker runs as in a static
pod: with two capabilities, and without the right to write the host's settings.
"""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, until
from tests.unit.runtime.checks.certificates import certify

from roost.model.check import HttpQuestion
from roost.runtime.checks.http import check_http
from roost.standalone import load

pytestmark = NETNS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "control-plane-address.md"
VIP = "192.0.2.100"
_SERVER = """
import http.server, ssl, sys
class Livez(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()
        self.wfile.write(sys.argv[3].encode())
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 6443), Livez)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
_CONTAINER = (
    "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec setpriv"
    ' --bounding-set=-all,+net_admin,+net_raw --inh-caps=-all "$@"'
)


def blocks() -> list[str]:
    """Return the indented blocks of the page, without their indentation."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE.read_text(), re.MULTILINE)
    return [re.sub(r"^    ", "", each, flags=re.MULTILINE).strip() + "\n" for each in found]


def the_file() -> dict[str, Any]:
    (text,) = (each for each in blocks() if each.startswith("node: n1\n"))
    document = yaml.safe_load(text)
    assert isinstance(document, dict)
    return document


def test_the_file_of_the_page_is_good(tmp_path: Path) -> None:
    document = the_file()
    del document["membership"]["keyFile"]
    path = tmp_path / "roost.yaml"
    path.write_text(yaml.safe_dump(document))
    loaded = load(path)
    assert loaded.problems == ()
    assert loaded.config is not None


def test_the_static_pod_of_the_page_hangs_together() -> None:
    (text,) = (each for each in blocks() if each.startswith("apiVersion: v1\nkind: Pod\n"))
    spec = yaml.safe_load(text)["spec"]
    (speaker,) = spec["containers"]
    assert spec["hostNetwork"] is True
    assert {each["name"] for each in speaker["volumeMounts"]} == {each["name"] for each in spec["volumes"]}
    paths = {each["mountPath"]: each for each in speaker["volumeMounts"]}
    (check,) = the_file()["services"][0]["track"]
    assert any(check["caFile"].startswith(path) for path in paths)
    assert speaker["args"][:2] == ["speaker", "--config"]
    assert str(Path(speaker["args"][2]).parent) in paths


class ControlPlane:
    """Three hosts, whose API servers come and go."""

    def __init__(self, nodes: Lan, folder: Path) -> None:
        self.nodes = nodes
        self._folder = folder
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        certify(folder, [each.address for each in nodes.speakers] + [VIP], ["kubernetes"])

    def configure(self) -> None:
        document = the_file()
        (service,) = document["services"]
        self.nodes.configure([], profile="default")
        for speaker in self.nodes.speakers:
            (check,) = service["track"]
            url = check["http"].replace(self.nodes.speakers[0].address, speaker.address)
            quick = {"interval": "100ms", "timeout": "500ms", "rise": 1, "fall": 2}
            track = [{**check, **quick, "http": url, "caFile": str(self._folder / "ca.pem")}]
            speaker.write(services=[{**service, "track": track}])

    def serve(self, speaker: Speaker) -> None:
        inside = ["ip", "netns", "exec", speaker.namespace.name, sys.executable, "-c", _SERVER]
        files = [str(self._folder / name) for name in ("ca.pem", "key.pem")]
        self._servers[speaker.name] = subprocess.Popen([*inside, *files, speaker.name])

    def signal(self, speaker: Speaker, number: signal.Signals) -> None:
        self._servers[speaker.name].send_signal(number)

    def end(self, speaker: Speaker) -> None:
        process = self._servers.pop(speaker.name)
        process.kill()
        process.wait()

    def close(self) -> None:
        for process in self._servers.values():
            process.kill()
            process.wait()

    def asked(self) -> str:
        """Ask at the address, as a kubelet does; returns whose API server answered, "" for none."""
        question = HttpQuestion(f"https://{VIP}:6443/livez", ca_file=str(self._folder / "ca.pem"))
        with self.nodes.client.entered():
            result = asyncio.run(check_http(question, 1.0))
        return result.output if result.ok else ""

    def serves(self, among: Sequence[Speaker]) -> bool:
        return self.asked() in [each.name for each in among]


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with lan(tmp_path) as nodes, ExitStack() as stack:
        made = ControlPlane(nodes, tmp_path)
        stack.callback(made.close)
        made.configure()
        yield made


def start_in_a_pod(speaker: Speaker) -> None:
    for key, value in (("arp_ignore", 1), ("arp_announce", 2)):
        speaker.namespace.sysctl(f"net/ipv4/conf/all/{key}", value)
    inside = [
        "ip",
        "netns",
        "exec",
        speaker.namespace.name,
        "unshare",
        "--mount",
        "sh",
        "-c",
        _CONTAINER,
        "-",
    ]
    command = [sys.executable, "-m", "roost", "speaker", "--config", str(speaker.path)]
    with speaker.log.open("ab") as log:
        speaker.process = subprocess.Popen([*inside, *command], stderr=log, stdout=log)


def test_a_cold_start_with_two_of_three_and_what_comes_after(plane: ControlPlane) -> None:
    nodes = plane.nodes
    one, two, three = nodes.speakers
    start_in_a_pod(one)
    two.start()
    nodes.whole()
    first = nodes.leader(VIP)  # nobody is fit, and exactly one leads
    until(lambda: "nobody fit" in kinds(first), "that is an alarm")
    other = two if first is one else one

    plane.serve(other)  # kubeadm init
    until(lambda: plane.serves([other]), "the address comes to the first API server")
    until(lambda: "nobody fit" not in kinds(other), "that is none any more")

    plane.serve(first)  # kubeadm join
    plane.serve(three)
    three.start()
    nodes.whole()
    everybody = nodes.speakers
    until(lambda: all(each.status()["services"][0]["fitness"]["fit"] for each in everybody), "all are fit")
    leader = nodes.leader(VIP)
    until(partial(plane.serves, [leader]), "the first of the order serves")

    plane.end(leader)
    others = [each for each in everybody if each is not leader]
    until(lambda: plane.serves(others), "another one serves")
    plane.serve(leader)
    until(lambda: plane.serves([leader]), "it serves again")
    plane.signal(leader, signal.SIGSTOP)  # it hangs
    until(lambda: plane.serves(others), "another one serves")
    assert nodes.leader(VIP) is not leader


def kinds(speaker: Speaker) -> list[str]:
    return [each["kind"] for each in speaker.status()["problems"]]
