"""The page in a real Chromium, showing what a test says: hostile texts, many services, a lost server."""

import time
from typing import Any

import pytest
from tests.browser.chromium import PROGRAM, Browser
from tests.browser.served import Served, served

pytestmark = pytest.mark.skipif(not PROGRAM, reason="needs Chromium (on Debian: apt install chromium)")

ROWS = "[...document.querySelectorAll('#rows .row')].map((each) => each.innerText)"
NOW = "2026-11-26T07:00:00.000Z"
ALIVE = {"address": "192.0.2.11:7946", "verdict": "alive", "draining": False, "since": NOW, "roost": "0"}


def shows(page: Served, *, services: dict[str, Any], members: tuple[str, ...] = ("n1", "n2")) -> None:
    said = {"node": "n1", "settled": True, "cut_off": False, "clients": 0}
    page.do(page.hub.set, "n1", "self", said)
    page.do(page.hub.set, "n1", "members", {name: {**ALIVE, "evidence": ""} for name in members})
    page.do(page.hub.set, "n1", "services", services)


def service(address: str, leader: str | None) -> dict[str, Any]:
    return {"addresses": [address], "leader": leader, "since": NOW}


def test_texts_from_outside_are_shown_and_never_run(browser: Browser) -> None:
    bad = "<img src=x onerror='document.title=1'><script>document.title=2</script>&amp;`code`"
    with served() as page:
        shared = {"shared_by": "client", "shares": {"n1": 0.5, bad: 0.5}}
        shows(page, services={bad: service("192.0.2.200", bad) | shared}, members=("n1", bad))
        page.do(
            page.hub.set,
            "n1",
            "problems",
            {"00": {"kind": bad, "severity": "critical", "text": bad, "cure": bad}},
        )
        event = {
            "time": NOW, "what": "lead moved", "level": "info", "text": bad, "count": 1,
            "facts": {"service": bad, "from": "n1", "to": bad, "why": bad},
        }  # fmt: skip
        page.do(page.hub.tell, "n1", "events", [event, {**event, "what": bad, "facts": {bad: bad}}])
        page.explained = {
            "service": bad, "addresses": [bad], "leader": bad, "since": NOW, "change": bad, "problems": [bad],
            "places": [{"node": bad, "verdict": bad, "why": bad, "evidence": bad, "share": 0.5}],
            "sharing": {"by": "client"}, "mute": [bad],
            "exclusions": [{"node": bad, "why": bad}],
            "passing_on": [{"address": bad, "node": bad, "connections": 3}],
            "checks": [{"check": bad, "state": "failing", "since": NOW, "why": bad, "output": bad}],
            "clients": [{"address": bad, "mac": bad}], "clients_known": 1,
        }  # fmt: skip
        with browser.open(page.address) as tab:
            tab.until("document.querySelectorAll('#nodes article').length === 2", "the nodes")
            tab.click(".chip")
            tab.until("/Checks on/.test(document.querySelector('dialog').innerText)", "the explanation")
            assert tab.text("#dialog-body").count("<img src=x") >= 14
            assert "✗ failing" in tab.text("#dialog-body")
            assert tab.value("document.querySelectorAll('main img, main script, dialog img').length") == 0
            for where in ("#nodes", "#problems", "#events", "#rows"):
                assert "<img src=x" in tab.text(where), where
            assert tab.value("document.title").startswith("✗")
            assert tab.complaints == [], "no policy was broken: nothing was tried"


def test_two_thousand_services_are_shown_in_part_and_their_move_at_once(browser: Browser) -> None:
    rows = {f"s{at}": service(f"198.18.{at // 250}.{at % 250 + 1}", f"n{at % 2 + 1}") for at in range(2000)}
    with served() as page:
        shows(page, services=rows)
        with browser.open(page.address) as tab:
            tab.until("document.querySelectorAll('.row').length > 0", "the table")
            assert "2,000 services" in tab.text("#addresses-note")
            assert tab.value("document.querySelectorAll('body *').length") < 1000, (
                "not all of them one by one"
            )
            assert tab.text("article[aria-label='node n1'] .leads").split() == ["1,000", "addresses"]
            began = time.monotonic()
            for at in range(0, 2000, 50):
                moved = {f"s{each}": {**rows[f"s{each}"], "leader": "n2"} for each in range(at, at + 50)}
                page.do(page.hub.set, "n1", "services", moved, whole=False)
            tab.until(
                "/^2,000/.test(document.querySelector(\"[aria-label='node n2'] .leads\").innerText)",
                "all moved",
            )
            assert time.monotonic() - began < 5
            tab.click("article[aria-label='node n2'] .chip.more")
            tab.write(" s1999")
            tab.until("document.querySelectorAll('.row').length === 1", "one is left by the filter")
            assert "198.18.7.250" in tab.text(".row")
            assert not tab.complaints


def test_what_nodes_share_is_shown_with_the_part_of_each(browser: Browser) -> None:
    by_client = {"shared_by": "client", "shares": {"n1": 0.336, "n2": 0.664}, "here": True}
    by_connection = {"shared_by": "connection", "shares": {"n1": 0.0, "n2": 1.0}}
    services = {
        "dns": service("192.0.2.200", "n1") | by_client,
        "web": service("192.0.2.201", "n1") | by_connection,
        "plain": service("192.0.2.202", "n2"),
    }
    with served() as page:
        shows(page, services=services)
        other = {"node": "n2", "settled": True, "cut_off": False, "clients": 0}
        page.do(page.hub.set, "n2", "self", other)
        page.do(page.hub.set, "n2", "services", {"dns": service("192.0.2.200", "n1") | by_client})
        page.explained = {
            "service": "dns", "addresses": ["192.0.2.200"], "leader": "n1", "since": NOW, "change": "",
            "problems": [], "sharing": {"by": "client"}, "mute": ["n2"], "exclusions": [],
            "passing_on": [], "clients": [],
            "places": [
                {"node": each, "verdict": "alive", "why": "", "share": part}
                for each, part in (("n1", 0.336), ("n2", 0.664))
            ],
        }  # fmt: skip
        with browser.open(page.address) as tab:
            tab.until("document.querySelectorAll('#rows .row').length === 3", "the services")
            rows = {text.split()[0]: " ".join(text.split()) for text in tab.value(ROWS)}
            assert "n1 34 % n2 66 %" in rows["dns"]
            assert "answered by" not in rows["dns"], "two that share it are no trouble"
            assert "n1 n1 0 % n2 100 %" in rows["web"], "its leader, then who takes connections"
            assert "%" not in rows["plain"]
            chips = " ".join(tab.text("article[aria-label='node n2'] .chips").split())
            assert chips == "192.0.2.200 66 % 192.0.2.202 192.0.2.201 100 %"
            assert tab.text("article[aria-label='node n2'] .leads").split() == ["2", "addresses"]
            tab.click("#rows .row")
            tab.until("/is shared/.test(document.querySelector('dialog').innerText)", "the explanation")
            said = " ".join(tab.text("#dialog-body").split())
            assert "clients go to n1 34 % n2 66 %" in said
            assert "n2 does not answer its share" in said
            assert tab.complaints == []


def test_it_says_when_it_is_not_live_and_goes_on_when_the_server_is_back(browser: Browser) -> None:
    with served() as page:
        shows(page, services={"web": service("192.0.2.200", "n1")})
        with browser.open(page.address) as tab:
            tab.until("document.querySelector('#live').dataset.state === 'on'", "live")
            page.stop()
            tab.until("document.querySelector('#live').dataset.state === 'off'", "it says so")
            assert "not live" in tab.text("#live")
            assert tab.text("article[aria-label='node n1'] .chip") == "192.0.2.200", "what was known stays"
            page.do(page.hub.set, "n1", "services", {"mail": service("192.0.2.201", "n2")})
            page.start()
            tab.until("document.querySelector('#live').dataset.state === 'on'", "live again")
            tab.until(
                "document.querySelector(\"[aria-label='node n2'] .chip\")", "what has changed meanwhile"
            )
            assert tab.value("document.querySelectorAll('.chip').length") == 1


@pytest.mark.parametrize("count", [1, 20])
def test_heat_maps_of_any_size_stay_inside(browser: Browser, count: int) -> None:
    names = tuple(f"node-{at}" for at in range(count + 1))
    with served() as page:
        shows(page, services={}, members=names)
        trips = {name: {"echo": [10**at, 50, 90]} for at, name in enumerate(names[1:5])}
        page.do(page.hub.set, "n1", "probes", trips)
        with browser.open(page.address, width=400) as tab:
            tab.until("document.querySelectorAll('.trip').length > 0", "round trips")
            assert tab.value("document.documentElement.scrollWidth") <= 400
            assert tab.value("document.querySelector('.trip').title").startswith(
                "n1 to node-1: ICMP echo 1 µs"
            )
            assert not tab.complaints


def test_who_prefers_no_motion_sees_none(browser: Browser) -> None:
    with served() as page:
        shows(page, services={"web": service("192.0.2.200", "n1")})
        for still in (True, False):
            with browser.open(page.address, still=still) as tab:
                tab.until("document.querySelector('.chip')", "an address")
                page.do(
                    page.hub.set, "n1", "services", {"web": service("192.0.2.200", "n2" if still else "n1")}
                )
                tab.until("document.querySelector('.chip[data-moved]')", "it has moved")
                moving = tab.value("document.getAnimations().length")
                assert (moving == 0) is still
