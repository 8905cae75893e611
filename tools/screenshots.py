"""Write the pictures of the page in docs/images, from a real lab in a real Chromium.

usage: .venv/bin/python tools/screenshots.py      (needs root, or user namespaces, and Chromium)
"""

import base64
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import Browser, Tab, chromium  # noqa: E402 - found by the line above

FOLDER = ROOT / "docs" / "images"
QUALITY = 72  # of 100, as WebP counts


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder)) as browser:
        with lab("--nodes", "4", "--vips", "6") as address:
            small(browser, address)
        with lab("--nodes", "6", "--vips", "60", "--interval", "20") as address:
            large(browser, address)


@contextlib.contextmanager
def lab(*options: str) -> Iterator[str]:
    """Run a lab with a page; give its address."""
    command = [sys.executable, "-m", "roost", "lab", "--web", "127.0.0.1:0", "--json", *options]
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        yield process.stderr.readline().strip() if process.stderr else ""
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def small(browser: Browser, address: str) -> None:
    """A node is cut, another is drained; the phone sees it, too."""
    with browser.open(address, width=1280, height=1180) as tab:
        tab.until("document.querySelectorAll('.chip').length === 6", "all addresses")
        tab.until("document.querySelector('#verdict').dataset.state === 'well'", "all is well")
        time.sleep(9)
        card = leader(tab)
        tab.value(f"document.querySelector(\"{card} [data-name='cut']\").click()")
        time.sleep(3)
        save(tab, "page-cut-1280")
        tab.value(f"document.querySelector(\"{card} [data-name='cut']\").click()")
        tab.until("document.querySelector('#verdict').dataset.state === 'well'", "all is well again")
        time.sleep(4)
        with browser.open(address, width=400, height=860, dark=True) as phone:
            phone.until("document.querySelectorAll('.chip').length === 6", "all addresses")
            time.sleep(1)
            phone.value("document.querySelector('#nodes').scrollIntoView()")
            save(phone, "page-phone-400")
        tab.look(dark=True, still=True)
        tab.size(1280, 900)
        tab.value(f"document.querySelector(\"{leader(tab)} [data-name='drain']\").click()")
        tab.until("document.querySelector('dialog .harm')", "the drain's button")
        tab.value("document.querySelector('dialog .harm').click()")
        tab.until("/Done/.test(document.querySelector('dialog').innerText)", "the drain is done")
        time.sleep(1)
        save(tab, "page-drain-1280")


def large(browser: Browser, address: str) -> None:
    """Six nodes with many addresses, one of them frozen."""
    with browser.open(address, width=1920, height=1400, dark=True) as tab:
        tab.until("document.querySelectorAll('#nodes article').length === 6", "all nodes")
        tab.until("document.querySelector('#verdict').dataset.state === 'well'", "all is well")
        tab.until("document.querySelectorAll('.trip').length >= 18", "round trips")
        time.sleep(8)
        tab.value(f"document.querySelector(\"{leader(tab)} [data-name='freeze']\").click()")
        time.sleep(4)
        save(tab, "page-many-1920")


def leader(tab: Tab) -> str:
    """The card of a node that leads something."""
    label = tab.value("document.querySelector('article[data-kind=well] .chip').closest('article').ariaLabel")
    return f"article[aria-label='{label}']"


def save(tab: Tab, name: str) -> None:
    """Write what is to be seen."""
    shot = tab.ask("Page.captureScreenshot", format="webp", quality=QUALITY)
    path = FOLDER / f"{name}.webp"
    path.write_bytes(base64.b64decode(shot["data"]))
    (Path(tempfile.gettempdir()) / f"{name}.png").write_bytes(tab.picture())
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1024} KiB  {'; '.join(tab.complaints)}")


if __name__ == "__main__":
    main()
