"""A real Chromium without a window, told what to do over its own pipe (Chrome DevTools Protocol).

    with chromium() as browser:
        with browser.open("http://127.0.0.1:7480/", width=1280, height=800) as tab:
            tab.until("document.querySelector('#nodes article')", "nodes are shown")
            assert not tab.complaints

No driver, no other package: messages are JSON, each ended by a zero byte, on file descriptors 3 and 4.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from select import select
from typing import Any, Self

__all__ = ["PROGRAM", "Browser", "Tab", "chromium"]

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""

_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--hide-scrollbars",
    "--no-proxy-server",
)
_KEYS = {
    "Enter": (13, "\r"),
    "Tab": (9, ""),
    "Escape": (27, ""),
    "ArrowDown": (40, ""),
    "ArrowUp": (38, ""),
    " ": (32, " "),
}
DEADLINE = 20.0  # seconds


class Browser:
    """The process and its pipe."""

    def __init__(self, folder: Path) -> None:
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        command = [PROGRAM, *_FLAGS, f"--user-data-dir={folder}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        inside = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        with (folder / "chromium.log").open("wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", inside, *command],
                pass_fds=(theirs_in, theirs_out),
                stdout=log,
                stderr=log,
                env=os.environ | {"HOME": str(folder)},
            )
        os.close(theirs_in)
        os.close(theirs_out)
        self._serial = 0
        self._rest = b""
        self._messages: deque[dict[str, Any]] = deque()
        self._tabs: dict[str, Tab] = {}

    def open(
        self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False, still: bool = True
    ) -> "Tab":
        """Open a tab of its own profile, as a context that closes it: nothing is shared with other tabs."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self._tabs[session] = Tab(self, session, context)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.ask(f"{domain}.enable")
        tab.size(width, height)
        tab.look(dark=dark, still=still)
        tab.ask("Page.navigate", url=url)
        return tab

    def ask(self, method: str, *, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; an AssertionError has what Chromium said."""
        self._serial += 1
        message = {"id": self._serial, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            answer = self.hear(end - time.monotonic())
            if answer is not None and answer.get("id") == self._serial:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result = answer["result"]
                assert isinstance(result, dict)
                return result
        raise AssertionError(f"{method} is not answered")

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """Take one message, or none within `seconds`; events go to their tabs."""
        end = time.monotonic() + seconds
        while b"\0" not in self._rest:
            if not select([self._from], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            data = os.read(self._from, 1 << 20)
            assert data, "Chromium has ended"
            self._rest += data
        first, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(first)
        if "method" in message and (tab := self._tabs.get(message.get("sessionId", ""))):
            tab.happened(message["method"], message["params"])
        assert isinstance(message, dict)
        return message

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self._to)
        os.close(self._from)


class Tab:
    """One page; `complaints` has all errors and warnings of its console, `hosts` whom it asked."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser = browser
        self._session = session
        self._context = context
        self.complaints: list[str] = []
        self.hosts: set[str] = set()

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.ask(method, session=self._session, **parameters)

    def happened(self, method: str, facts: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = facts["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", "")
            self.complaints.append(f"{details['text']} {thrown} {details.get('url')}:{details['lineNumber']}")
        elif method == "Runtime.consoleAPICalled" and facts["type"] in ("error", "warning", "assert"):
            self.complaints.append(str([each.get("value") for each in facts["args"]]))
        elif method == "Log.entryAdded" and facts["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.hosts.add(facts["request"]["url"].split("/")[2])

    def size(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def look(self, *, dark: bool, still: bool) -> None:
        """Choose what the user's system prefers."""
        self.ask(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
            ],
        )

    def value(self, expression: str) -> Any:
        """Evaluate in the page; promises are awaited."""
        found = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, timeout=15000
        )
        assert "exceptionDetails" not in found, f"{expression}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def until(self, condition: str, what: str, deadline: float = DEADLINE) -> None:
        """Wait until an expression is true, and no error; an AssertionError names `what`."""
        end = time.monotonic() + deadline
        tried = f"(() => {{ try {{ return Boolean({condition}); }} catch {{ return false; }} }})()"
        while not self.value(tried):
            assert time.monotonic() < end, f"not within {deadline} s: {what}; {self.complaints}"
            self._browser.hear(0.02)

    def text(self, selector: str) -> str:
        return str(self.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def click(self, selector: str) -> None:
        """Click in the middle of the first element, as a mouse does."""
        where = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask(
                "Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1
            )

    def press(self, key: str) -> None:
        """Press and release a key; a single character, or a name such as Tab."""
        code, text = _KEYS.get(key, (ord(key.upper()[0]), key))
        facts = {"key": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **facts)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **facts)

    def write(self, text: str) -> None:
        for each in text:
            self.press(each)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close it, and forget its profile."""
        self._browser.ask("Target.disposeBrowserContext", browserContextId=self._context)

    def picture(self, *, whole: bool = False) -> bytes:
        """Return a PNG of what is to be seen, or of the whole page."""
        if whole:
            height = self.value("document.documentElement.scrollHeight")
            width = self.value("window.innerWidth")
            self.size(width, height)
            time.sleep(0.3)
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Give a browser whose files are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    browser = Browser(folder)
    try:
        yield browser
    finally:
        browser.close()
