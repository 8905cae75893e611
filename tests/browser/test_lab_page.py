"""`roost lab --web` in a real Chromium: seen at all sizes, broken and healed by clicks and by keys."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.browser.chromium import PROGRAM, Browser, Tab, chromium
from tests.system.netns import NETNS

pytestmark = [
    *NETNS,
    pytest.mark.skipif(not PROGRAM, reason="needs Chromium (on Debian: apt install chromium)"),
]

SIZES = (400, 1280, 1920)  # pixels
FIRST_PAINT = 3.0  # seconds; 0.5 are wanted, and a test machine may be busy
AT_ONCE = 0.2  # seconds from a click until the page shows it


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as made:
        yield made


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "roost", "lab", "--web", "127.0.0.1:0", "--json"]
    lab = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert lab.stderr is not None
    address = lab.stderr.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#token=[\w-]{32}", address), address + lab.stderr.read()
    yield address
    lab.send_signal(signal.SIGINT)
    out, said = lab.communicate(timeout=30)
    assert (lab.returncode, said) == (0, "")
    assert json.loads(out)["drill"] == "web", "it ends with the report"


@contextmanager
def opened(browser: Browser, address: str, *, width: int = 1280, dark: bool = False) -> Iterator[Tab]:
    with browser.open(address, width=width, dark=dark) as tab:
        tab.until("document.querySelectorAll('#nodes article').length === 3", "all nodes are shown")
        tab.until("document.querySelectorAll('.lane').length === 8", "what the clients see is shown")
        tab.until("document.querySelectorAll('.chip').length === 4", "each address is at a node")
        yield tab
        assert tab.complaints == []


def whole(tab: Tab) -> None:
    """Wait until every node lives; one that was cut may be told of as flapping for a while."""
    tab.until("document.querySelectorAll('article[data-kind=well]').length === 3", "all nodes are well")


def leader(tab: Tab) -> str:
    """A node that leads something, as a selector of its card."""
    label = tab.value("document.querySelector('article .chip').closest('article').ariaLabel")
    return f"article[aria-label='{label}']"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_it_is_whole_at_every_size_and_says_nothing_to_the_console(
    browser: Browser, address: str, width: int, *, dark: bool
) -> None:
    with opened(browser, address, width=width, dark=dark) as tab:
        assert tab.value("document.documentElement.scrollWidth") <= width
        sticking_out = tab.value(
            "[...document.querySelectorAll('body *')].filter(e => e.offsetParent"
            " && !e.closest('.scroll, .outages')"
            " && (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)"
            " && !e.matches('.skip')).map(e => e.outerHTML.slice(0, 80))"
        )
        assert sticking_out == []
        cut_off = tab.value(
            "[...document.querySelectorAll('button, h2, h3, .leads, .verdict-word, #subline')]"
            ".filter(e => e.offsetParent && e.scrollWidth > e.clientWidth + 1"
            " && getComputedStyle(e).display !== 'inline')"
            ".map(e => e.outerHTML.slice(0, 80))"
        )
        assert cut_off == []
        ground = tab.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (sum(ground) < 200) is dark
        painted = tab.value("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
        assert 0 < painted < FIRST_PAINT * 1000
        assert tab.hosts == {address.split("/")[2]}, "nothing from elsewhere"
        assert "token" not in tab.value("location.href")


def clicked(tab: Tab, card: str, shown: str) -> float:
    """Click the button that cuts and heals; the seconds until `shown` is true in the page."""
    button = f"document.querySelector(\"{card} [data-name='cut']\")"
    milliseconds = tab.value(
        "new Promise(done => { const began = performance.now();"
        f" const look = () => {shown} ? done(performance.now() - began) : requestAnimationFrame(look);"
        f" {button}.click(); look(); }})"
    )
    return float(milliseconds) / 1000


def test_a_node_is_cut_by_a_click_and_seen_at_once_with_its_outage(browser: Browser, address: str) -> None:
    with opened(browser, address) as tab:
        whole(tab)
        card = leader(tab)
        cut = f"document.querySelector(\"{card} .faults\")?.innerText === 'cut'"
        took = [clicked(tab, card, cut)]
        tab.until(f'!document.querySelector("{card} .chip")', "its addresses are with others")
        tab.until(f"document.querySelector(\"{card}\").dataset.kind === 'lost'", "the node is shown as lost")
        cost = "document.querySelector('.outage .cost')?.innerText"
        tab.until(f"/^\\d+(\\.\\d)? (ms|s)$/.test({cost}) && {cost} !== '0 ms'", "the outage")
        assert "cut" in tab.text(".outage .act")
        outage = tab.text(".outage .cost")
        assert outage.endswith(" s") or float(outage.removesuffix(" ms")) > 5, outage
        moved = tab.text("#events")
        assert "unreachable" in moved or "silent" in moved, "with the reason"
        took.append(clicked(tab, card, f"!({cut})"))  # it is the button to heal now
        whole(tab)
        # The best counts, this machine may be busy; and another node each time, or one would have to wait.
        for node in ("n1", "n2", "n3"):
            other = f"article[aria-label='node {node}']"
            if min(took) > AT_ONCE and other != card:
                took.append(clicked(tab, other, cut.replace(card, other)))
                took.append(clicked(tab, other, f"!({cut.replace(card, other)})"))
                whole(tab)
        assert min(took) <= AT_ONCE, took


def tabbed(tab: Tab, most: int = 80) -> list[str]:
    """Go through the page with the Tab key; what had the focus, in order."""
    seen: list[str] = []
    for _ in range(most):
        tab.press("Tab")
        at = tab.value(
            "(e => e.id || e.dataset.name + ' ' + (e.closest('article')?.ariaLabel ?? e.className))"
            "(document.activeElement)"
        )
        if at in seen:
            break
        seen.append(at)
    return seen


def test_everything_is_done_by_keys(browser: Browser, address: str) -> None:
    with opened(browser, address) as tab:
        whole(tab)
        reached = tabbed(tab)
        wanted = tab.value(
            "[...document.querySelectorAll('button:not(:disabled), input, a')]"
            ".filter(e => e.offsetParent && !e.matches('[tabindex=\"-1\"]')).length"
        )
        assert len(reached) >= wanted, reached
        for number in (1, 2, 3):
            assert {
                f"{act} node n{number}" for act in ("what-if", "drain", "cut", "freeze", "kill", "stop")
            } <= set(reached)
        # An address: why is it here, and back to where one was.
        tab.press("n")
        tab.value("document.querySelector('.chip').focus()")
        tab.press("Enter")
        tab.until(
            "document.querySelector('dialog').open && document.querySelectorAll('.places li').length >= 3",
            "places",
        )
        assert "leads: first of the active nodes" in tab.text("dialog")
        tab.press("Escape")
        tab.until("!document.querySelector('dialog').open", "the dialog is closed")
        assert tab.value("document.activeElement.className") == "chip"
        # Drain a node, see its counts, and undo it.
        card = leader(tab)
        tab.value(f'document.querySelector("{card} [data-name=drain]").focus()')
        tab.press("Enter")
        tab.until(
            "document.querySelector('dialog .harm') && document.querySelector('dialog .bar-of')",
            "what would move",
        )
        while tab.value("document.activeElement.className") != "harm":
            tab.press("Tab")
        tab.press("Enter")
        led = r"/^0\s+addresses are led here still/.test(document.querySelector('dialog .figures').innerText)"
        tab.until(led, "others lead; the connections that clients hold stay open")
        assert tab.value("document.activeElement.innerText").startswith("Let n"), "the way back is at hand"
        tab.press("Enter")
        tab.until("/leads again/.test(document.querySelector('dialog').innerText)", "it leads again")
        tab.press("Escape")
        # The table: filter, down into the rows, open one.
        tab.press("/")
        tab.write("echo-2")
        tab.until("document.querySelectorAll('.row').length === 1", "one row is left")
        tab.press("ArrowDown")
        tab.press("Enter")
        tab.until("/echo-2/.test(document.querySelector('dialog').innerText)", "its explanation")
        tab.press("Escape")
        before = tab.value("getComputedStyle(document.body).backgroundColor")
        tab.press("t")
        assert tab.value("getComputedStyle(document.body).backgroundColor") != before
        tab.press("?")
        tab.until("document.querySelector('dialog').open", "help")


def test_without_the_token_it_only_shows(browser: Browser, address: str) -> None:
    with opened(browser, address.partition("#")[0]) as tab:
        assert tab.value("document.querySelectorAll('.break button').length") == 0
        tab.click("article [data-name='drain']")
        tab.until("/roost drain n/.test(document.querySelector('dialog').innerText)", "the command is named")
        assert not tab.value("document.querySelector('dialog .harm')")
        status = tab.value("fetch('v1/act/cut/n1', {method: 'POST'}).then(answer => answer.status)")
        assert status == 403
        assert "403" in tab.complaints.pop()
