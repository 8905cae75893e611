"""The loop of `roost top`: samples from a thread, keys from the terminal, lines to the screen."""

import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

from roost.cli.client import ask, asks_cluster, socket_option
from roost.cli.cluster import wish_drain
from roost.cli.exits import Exit, Failure
from roost.cli.output import led_by, passed_on
from roost.cli.top.model import Action, Model, Sample

__all__ = ["command"]

_KEYS_WITHIN: Final = 0.1  # seconds between two looks at samples
_WISHES: Final = 10
_WISH_AGAIN: Final = 0.1  # seconds


@click.command()
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2, max=60),
    default=1.0,
    show_default=True,
    help="Seconds between two looks at the speaker.",
)
@socket_option
def command(socket_path: Path | None, interval: float) -> None:
    """Show nodes, addresses, traffic, failovers, events and problems live; ? shows the keys.

    A speaker that goes away is asked again until it is back.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure(
            "`roost top` needs a terminal; in a pipe use `roost status`, or `roost status --watch`",
            Exit.CANNOT_RUN,
        )
    signal.signal(signal.SIGTERM, _end)
    with suppress(KeyboardInterrupt):
        _run(socket_path, interval)


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal handlers are called
    raise SystemExit(0)


def _run(path: Path | None, interval: float) -> None:
    from rich.console import Console, Group  # noqa: PLC0415 - rich only for people
    from rich.live import Live  # noqa: PLC0415

    from roost.cli.keys import pressed, raw_keys  # noqa: PLC0415
    from roost.cli.top.draw import draw  # noqa: PLC0415

    console = Console(highlight=False, markup=False, emoji=False)
    model, samples = Model(), queue.SimpleQueue[Sample]()
    threading.Thread(target=_poll, args=(path, interval, samples), daemon=True).start()
    with raw_keys(), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            size = console.size
            lines = draw(model, size.width, size.height, time.monotonic())
            live.update(Group(*lines), refresh=True)
            for key in pressed(_KEYS_WITHIN):
                action = _press(model, key)
                if action is not None and action.what == "quit":
                    return
                if action is not None:
                    _do(model, action, path)
            while not samples.empty():
                model.take(samples.get())


def _press(model: Model, key: str) -> Action | None:
    from roost.cli.top.draw import HELP  # noqa: PLC0415

    if model.page is None and model.question is None and not model.typing:
        if key == "?":
            model.show("keys", HELP)
            return None
        if key == "p":
            problems = model.status.get("problems", ())
            lines = [line for each in problems for line in _problem(each)]
            model.show(f"problems {len(problems)}", lines or ["none"])
            return None
    return model.press(key)


def _problem(problem: dict[str, str]) -> tuple[str, str]:
    return f"{problem['severity']:8}  {problem['kind']}: {problem['text']}", f"          -> {problem['cure']}"


# -- asking the speaker ----------------------------------------------------------------------------


def _poll(path: Path | None, interval: float, samples: "queue.SimpleQueue[Sample]") -> None:
    """Look again and again; what goes wrong is a sample, too."""
    serial, process = 0, ""
    earlier = _earlier(path)
    while True:
        begin = time.monotonic()
        try:
            status = ask(path, "status")
            if status["started_at"] != process:
                serial, process = 0, status["started_at"]
            events = ask(path, "events", query={"since": serial})["events"]
            serial = events[-1]["serial"] if events else serial
            traffic = ask(path, "traffic")["addresses"]
            before = [each for each in earlier if each["time"] < status["started_at"]]
            earlier = []
            samples.put(Sample(time.monotonic(), status=status, traffic=traffic, events=[*before, *events]))
        except Failure as failure:
            samples.put(Sample(time.monotonic(), error=failure.message))
        except Exception as error:  # noqa: BLE001 - a speaker of another version must not end the view
            samples.put(Sample(time.monotonic(), error=f"its answer is not understood: {error!r}"))
        time.sleep(max(0.0, interval - (time.monotonic() - begin)))


def _earlier(path: Path | None) -> list[dict[str, Any]]:
    """Return what is kept of events; nothing without a speaker, or from one that keeps none."""
    try:
        return list(ask(path, "history")["events"])
    except (Failure, LookupError, TypeError):
        return []


def _do(model: Model, action: Action, path: Path | None) -> None:
    """Carry out what the user wants; what goes wrong is told in the last line."""
    try:
        match action.what:
            case "explain":
                explanation = ask(path, "explain", action.target)
                model.show(f"explain {action.target}", _explained(explanation))
            case "what-if":
                answer = ask(path, "what-if", query={"down": (action.target,)})
                model.show(f"what if {action.target} went down", _moved(answer))
            case "drain" | "undrain":
                model.message = _wish(action.target, path, wish=action.what == "drain")
            case "forget" if asks_cluster(path):
                model.message = "with Kubernetes: delete its Node object, and it is forgotten"
            case "forget":
                ask(path, "forget", action.target, method="POST")
                model.message = f"{action.target} is forgotten"
    except Failure as failure:
        model.message = failure.message


def _wish(node: str, path: Path | None, *, wish: bool) -> str:
    """Ask a node to drain, or to do so no more, some times: packets get lost. Return what came of it."""
    if asks_cluster(path):
        if wish:
            ask(path, "drain", node)  # refuses a node that cannot be drained
        wish_drain(node, wish=wish)
        return f"{node} is asked to {'drain' if wish else 'lead again'}"
    for _ in range(_WISHES):
        answer = ask(path, "drain", node, query={"wish": str(wish).lower()}, method="POST")
        if answer["known"] and answer["draining"] is wish:
            return f"{node} {'drains' if wish else 'may lead again'}"
        time.sleep(_WISH_AGAIN)
    return f"{node} has not answered yet"


def _explained(explanation: dict[str, Any]) -> list[str]:
    shares = {each["node"]: each["share"] for each in explanation["places"] if each.get("share")}
    leader = led_by(explanation["leader"], shares or None, explanation.get("sharing")) or "nobody"
    lines = [
        f"{explanation['service']} {' '.join(explanation['addresses'])} is led by {leader}"
        f" since {explanation['since']} ({explanation['change']})",
        "",
    ]
    lines += [
        f"{place['position']:3}  {place['node']}  {place['verdict']}  {place['why']}"
        for place in explanation["places"]
    ]
    lines += [f"out  {each['node']}: {each['why']}" for each in explanation["exclusions"]]
    lines += [f"{each['address']}: {passed_on(each)}" for each in explanation["passing_on"]]
    return lines + list(explanation["problems"])


def _moved(answer: dict[str, Any]) -> list[str]:
    lines = [
        f"{move['service']} {' '.join(move['addresses'])}: {move['before'] or 'nobody'} ->"
        f" {move['after'] or 'nobody'}  {move['why']}"
        for move in answer["moves"]
    ]
    return [*(lines or ["nothing would move"]), f"{answer['staying']} of {answer['total']} services stay"]
