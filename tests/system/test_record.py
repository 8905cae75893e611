"""What is kept for afterwards: the history over restarts, and the recorder's file in tshark."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import Lan, Speaker, lan, services, until

pytestmark = NETNS

VIPS = ["192.0.2.200", "192.0.2.201", "2001:db8::202"]
KEY = bytes(range(32))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Lan]:
    with lan(tmp_path, 2) as made:
        made.configure(services(VIPS))
        for each in made.speakers:
            membership = each.config["membership"] | {"key": base64.b64encode(KEY).decode()}
            status = each.config["status"] | {"http": f"{each.address}:7473"}
            each.write(membership=membership, status=status)
            each.path.chmod(0o600)
        made.start()
        yield made


def roost(speaker: Speaker, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "roost", *words, "--socket", str(speaker.socket)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def dissected(path: Path) -> list[dict[str, Any]]:
    fields = (
        "frame.protocols",
        "frame.comment",
        "frame.interface_name",
        "_ws.malformed",
        "_ws.expert.message",
    )
    options = [word for each in fields for word in ("-e", each)]
    shown = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-T", "json", *options], capture_output=True, check=True
    )
    assert b"cut short" not in shown.stderr
    return [each["_source"]["layers"] for each in json.loads(shown.stdout)]


def asked_over_http(speaker: Speaker, target: str) -> int:
    url = f"http://{speaker.address}:7473{target}"
    code = (
        f"import urllib.request,urllib.error\ntry: print(urllib.request.urlopen({url!r}, timeout=5).status)\n"
    )
    code += "except urllib.error.HTTPError as error: print(error.code)"
    inside = ["ip", "netns", "exec", speaker.namespace.name, sys.executable, "-c", code]
    return int(subprocess.run(inside, capture_output=True, check=True, timeout=20).stdout)


def test_a_failover_is_there_afterwards(nodes: Lan, tmp_path: Path) -> None:
    one, two = nodes.speakers
    one.signal(signal.SIGKILL)
    one.wait()
    until(lambda: two.answering() == set(VIPS), "the other takes over")
    decided = two.ask("/v1/events")["events"]
    assert any(each["what"] == "lead moved" for each in decided)

    closed, opened = tmp_path / "closed.pcapng", tmp_path / "opened.pcapng"
    for path, *more in ((closed,), (opened, "--decrypt")):
        done = roost(two, "record", "-o", str(path), "--seconds", "0.5", *more)
        assert done.returncode == 0, done.stderr
        assert path.stat().st_mode & 0o777 == 0o600
        frames = dissected(path)
        comments = [text for each in frames for text in each.get("frame.comment", ())]
        for each in decided:
            assert any(text.startswith(f"{each['what']}: {each['text']}") for text in comments), each
        assert not any("_ws.malformed" in each for each in frames)
        seen = {(each["frame.interface_name"][0], each["frame.protocols"][0]) for each in frames}
        assert {
            ("eth0", "eth:ethertype:arp"),
            ("eth0", "eth:ethertype:ipv6:icmpv6"),
            ("gossip", "raw:ip:udp:data"),
        } <= seen
        assert {name for name, _ in seen} == {"eth0", "gossip"}
        data = path.read_bytes()
        assert KEY not in data
        assert base64.b64encode(KEY) not in data
        said = [text for text in comments if text.startswith("gossip: ")]
        assert bool(said) == bool(more), "what gossip says is shown to who asks for it alone"
        assert any("dead n1" in text for text in said) == bool(more)

    assert asked_over_http(two, "/v1/record") == 404
    assert asked_over_http(two, "/v1/history") == 200

    path = tmp_path / "live.pcapng"
    command = [sys.executable, "-m", "roost", "record", "-o", str(path), "--seconds", "60"]
    process = subprocess.Popen([*command, "--socket", str(two.socket)], stderr=subprocess.PIPE)
    until(lambda: path.exists() and path.stat().st_size > 2000, "packets are written as they come")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 0, told
    assert dissected(path), "Ctrl-C leaves a file that is whole"


def test_history_survives_restarts_and_is_shown(nodes: Lan, tmp_path: Path) -> None:
    one, two = nodes.speakers
    one.signal(signal.SIGKILL)
    one.wait()
    until(lambda: two.answering() == set(VIPS), "the other takes over")
    two.signal(signal.SIGTERM)
    two.wait()
    (kept,) = tmp_path.glob("n2.events.jsonl")
    with kept.open("ab") as file:
        file.write(os.urandom(300))  # as a crash of the host may leave it
    two.start()
    until(lambda: two.status()["settled"], "it is back")
    events = two.ask("/v1/history")["events"]
    starts = [at for at, each in enumerate(events) if each["what"] == "started"]
    assert len(starts) == 2
    before = [each for each in events[: starts[1]] if each["what"] == "lead moved"]
    assert {each["facts"]["service"] for each in before} >= {"s200", "s201", "s202"}

    text = roost(two, "events", "s200").stdout
    assert "s201" not in text
    assert text.count("s200") == 2
    assert "n1" in text
    until(lambda: two.answering() == set(VIPS), "it leads again")
    explained = roost(two, "explain", "s200").stdout
    assert "earlier" in explained, explained
