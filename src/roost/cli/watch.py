"""`roost status --watch`: who leads, and each change with its reason, for as long as one looks."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from roost.cli.client import ask, asks_cluster, only_socket
from roost.cli.exits import Exit, Failure
from roost.cli.printing import end_if_unread
from roost.cli.screen import clean
from roost.observe.moment import rfc3339

__all__ = ["Leaders", "watch_leaders"]

_POLL: Final = 0.25  # seconds


def watch_leaders(path: Path | None, *, as_json: bool) -> None:
    """Print who leads each service now, then each change, until Ctrl-C.

    A speaker that ends is waited for; without any at the beginning the command ends. What nobody could say
    meanwhile is not made up.
    """
    where = path if path is not None or asks_cluster(path) else only_socket()
    leaders = Leaders()
    status = ask(where, "status")
    is_there = True
    try:
        while True:
            for event in leaders.changes(status) if status else ():
                click.echo(json.dumps(event) if as_json else clean(_line(event)))
            time.sleep(_POLL)
            end_if_unread()
            try:
                status = ask(where, "status")
            except Failure as failure:
                if failure.exit_code != Exit.NO_SPEAKER:
                    raise
                status = None
            if is_there is not bool(status):
                is_there = bool(status)
                _tell_of_speaker(is_there=is_there, as_json=as_json)
    except KeyboardInterrupt:
        return


@dataclass(slots=True)
class Leaders:
    """What was told of each service last: its leader, and since when."""

    known: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    started: str = ""  # the speaker that said so

    def changes(self, status: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what is new in a speaker's status, by name. Another process knows no times from before it.

        One that has not settled does not know who leads: what it guesses is no news.
        """
        if not status["settled"]:
            return
        same = status["started_at"] == self.started
        self.started = status["started_at"]
        services = {each["name"]: each for each in status["services"]}
        before, self.known = (
            self.known,
            {name: (each["leader"], each["since"]) for name, each in services.items()},
        )
        for name in sorted(before.keys() | services.keys()):
            old, service = before.get(name), services.get(name)
            if service is None:
                yield _event(
                    name, old, {"leader": None, "since": "", "addresses": [], "change": ""}, gone=True
                )
            elif old is None or old[0] != service["leader"] or (same and old[1] != service["since"]):
                yield _event(name, old, service, gone=False)


def _event(
    name: str, before: tuple[str | None, str] | None, service: Mapping[str, Any], *, gone: bool
) -> dict[str, Any]:
    return {
        "service": name,
        "addresses": service["addresses"],
        "from": before[0] if before else None,
        "to": service["leader"],
        "since": service["since"],
        "why": service.get("change", ""),
        "gone": gone,
    }


def _line(event: Mapping[str, Any]) -> str:
    if event["gone"]:
        return f"{_now()}  {event['service']} is gone"
    came = f" from {event['from']}" if event["from"] else ""
    why = f": {event['why']}" if event["why"] else ""
    what = f"{event['service']} {' '.join(event['addresses'])}"
    return f"{event['since']}  {what} -> {event['to'] or 'nobody'}{came}{why}"


def _tell_of_speaker(*, is_there: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"speaker": "back" if is_there else "lost", "at": _now()}))
    else:
        words = "the speaker answers again" if is_there else "the speaker does not answer; waiting for it"
        click.echo(f"{_now()}  {words}")


def _now() -> str:
    """Return the time as speakers write it."""
    return rfc3339(datetime.now(UTC))
