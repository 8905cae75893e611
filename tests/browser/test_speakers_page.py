"""The pages of real speakers: what happens on the wire is on them; one shows several, and drains them."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser.chromium import PROGRAM, Browser
from tests.browser.relay import relay
from tests.system.netns import NETNS
from tests.system.speakers import Lan, lan, services

pytestmark = [
    *NETNS,
    pytest.mark.skipif(not PROGRAM, reason="needs Chromium (on Debian: apt install chromium)"),
]

VIPS = ("192.0.2.200", "192.0.2.201", "192.0.2.202", "192.0.2.203")
AT_ONCE = 0.2  # seconds


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    with lan(tmp_path_factory.mktemp("lan")) as made:
        made.configure(services(VIPS), profile="default")
        made.start()
        yield made


def claim(cluster: Lan, address: str) -> float:
    """Answer for an address as a stranger on the wire; the moment just before it was said."""
    mac, ip = cluster.client.mac("eth0"), socket.inet_aton(address)
    frame = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 0604 0002") + mac + ip + mac + ip
    with cluster.client.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0x0806))
        said = time.time()
        raw.send(frame)
    return said


def test_what_is_heard_on_the_wire_is_on_the_page_at_once(browser: Browser, cluster: Lan) -> None:
    with relay(cluster.leader(VIPS[0]).socket) as address, browser.open(address) as tab:
        tab.until("document.querySelectorAll('.chip').length === 4", "all addresses")
        tab.until("document.querySelectorAll('.trip').length >= 2", "round trips of its probes")
        assert tab.value("document.querySelectorAll('.break button, dialog .harm').length") == 0
        took = []
        node = cluster.leader(VIPS[0])
        led = [vip for vip in VIPS if vip in node.answering()]
        for vip in led:
            tab.value(
                "window.seen = 0; new MutationObserver(() => { if (!window.seen &&"
                f" document.querySelector('#problems').innerText"
                f".includes('{vip}')) window.seen = Date.now(); }})"
                ".observe(document.querySelector('#problems'), {childList: true, subtree: true})"
            )
            said = claim(cluster, vip)
            tab.until("window.seen", f"the claim for {vip}")
            took.append(tab.value("window.seen") / 1000 - said)
        assert "claimed by a stranger" in tab.text("#problems")
        assert cluster.client.mac("eth0").hex(":") in tab.text("#problems")
        assert tab.value("document.querySelector('#verdict').dataset.state") == "critical"
        assert min(took) <= AT_ONCE, took
        assert tab.complaints == []


@contextlib.contextmanager
def dashboard(folder: Path, *options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "roost", "dashboard", "--listen", "127.0.0.1:0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        _, said = process.communicate(timeout=10)
        assert (process.returncode, said) == (0, "")


def test_one_page_shows_all_speakers_and_drains(browser: Browser, cluster: Lan, tmp_path: Path) -> None:
    sockets = [option for each in cluster.speakers for option in ("--socket", str(each.socket))]
    with dashboard(tmp_path, *sockets) as address, browser.open(address) as tab:
        tab.until("document.querySelectorAll('.chip').length === 4", "all addresses")
        tab.until("document.querySelectorAll('.trip').length === 6", "each node's round trips to the others")
        assert "3 speakers" in tab.text("#where")
        node = cluster.leader(VIPS[1])
        tab.click(f"article[aria-label='node {node.name}'] [data-name=drain]")
        tab.until("document.querySelector('dialog .harm')", "the button")
        tab.until("/stay where/.test(document.querySelector('dialog').innerText)", "what would move")
        tab.click("dialog .harm")  # not before: the dialog grows with that, and the button moves
        tab.until("/Done/.test(document.querySelector('dialog').innerText)", "the drain is done")
        assert not node.answering()
        tab.click("dialog .mend")
        tab.until("/leads again/.test(document.querySelector('dialog').innerText)", "it is undone")
        tab.press("Escape")
        cluster.cut(node)
        tab.until(
            f"document.querySelector(\"[aria-label='node {node.name}']\").dataset.kind === 'lost'",
            "it is lost",
        )
        tab.until(
            f"document.querySelector('#headline').innerText === '{node.name} is lost'", "said first of all"
        )
        tab.until(
            "document.querySelectorAll('.chip').length === 4 &&"
            f" !document.querySelector(\"[aria-label='node {node.name}'] .chip\")",
            "others lead",
        )
        tab.until(
            "!document.querySelector('#latest').innerText.split('→').at(-1).trim()"
            f".startsWith('{node.name}')",
            "the latest move is away from it",
        )
        cluster.heal(node)
        tab.until(
            f"document.querySelector(\"[aria-label='node {node.name}']\").dataset.kind === 'well'",
            "it is back",
        )
        assert tab.complaints == []


def test_a_page_that_is_to_show_only_has_no_token_and_no_drain(
    browser: Browser, cluster: Lan, tmp_path: Path
) -> None:
    socket_ = str(cluster.speakers[0].socket)
    with dashboard(tmp_path, "--socket", socket_, "--read-only") as address, browser.open(address) as tab:
        assert "#" not in address
        tab.until("document.querySelectorAll('#nodes article').length === 3", "nodes")
        tab.click("article [data-name=drain]")
        tab.until("/roost drain n/.test(document.querySelector('dialog').innerText)", "the command is named")
        assert not tab.value("document.querySelector('dialog .harm')")
