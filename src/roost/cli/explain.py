"""`roost explain VIP`: why an address is where it is."""

import json
from pathlib import Path
from typing import Any

import click

from roost.cli.backends import BACKEND_COLUMNS, backend_rows
from roost.cli.client import ask, json_option, socket_option
from roost.cli.completion import complete_vips
from roost.cli.exits import Failure
from roost.cli.output import passed_on, shared_by
from roost.cli.routers import routers
from roost.cli.screen import Cell, Screen, verdict

__all__ = ["command"]

_MOVED = ("lead moved", "shares moved")
_EARLIER = 5  # moves before the last one
_STATES = {"well": "green", "failing": "red"}


@click.command()
@click.argument("vip", shell_complete=complete_vips)
@socket_option
@json_option
def command(vip: str, socket_path: Path | None, *, as_json: bool) -> None:
    """Show every node's place for VIP, or the reason it is out, and the last change with its evidence.

    VIP is an address or the name of a service.
    """
    explanation = ask(socket_path, "explain", vip)
    if as_json:
        click.echo(json.dumps(explanation, indent=2))
    else:
        screen = Screen()
        _draw(explanation, screen)
        _earlier(_moves(socket_path, explanation["service"]), screen)


def _draw(explanation: dict[str, Any], screen: Screen) -> None:
    by = (explanation.get("sharing") or {}).get("by")
    shares = {each["node"]: each["share"] for each in explanation["places"] if by and each["share"]}
    shared = by == "client"
    leader = shared_by(shares) if shared else explanation["leader"]
    who: Cell = (leader, "bold") if leader else ("nobody", "bold red")
    screen.line(
        (explanation["service"], "bold"),
        f" {' '.join(explanation['addresses'])} is {'shared' if shared else 'led'} by ",
        who,
        f" since {screen.moment(explanation['since'])} ({explanation['change']})",
        indent=4,
    )
    if by == "connection":
        screen.line(f"its connections are taken by {shared_by(shares) or 'nobody'}", indent=4)
    if why := explanation.get("why_kept"):
        screen.line(why, indent=4)
    if explanation["places"] or not explanation.get("vrrp"):
        _places(explanation, screen)
    for exclusion in explanation["exclusions"]:
        screen.line(("out: ", "dim"), f"{exclusion['node']}: {exclusion['why']}", indent=4)
    routers(explanation.get("vrrp", []), screen)
    _checks(explanation.get("checks", []), screen)
    if unproven := explanation["judged_by_swim_alone"]:
        screen.line((f"judged by SWIM alone, no answers to probes: {', '.join(unproven)}", "dim"), indent=4)
    for name in explanation.get("mute", ()):
        screen.line((f"{name} does not answer its share: those that watch it stand in", "yellow"), indent=4)
    for holder in explanation["passing_on"]:
        screen.line(f"{holder['address']}: {passed_on(holder)}", indent=4)
    if rows := backend_rows([{"name": explanation["service"], **explanation}], screen):
        screen.line()
        screen.table(BACKEND_COLUMNS, rows)
    for problem in explanation["problems"]:
        screen.line((problem, "yellow"), indent=4)


def _moves(path: Path | None, service: str) -> list[dict[str, Any]]:
    """Return how the service moved before its last change; nothing from a speaker that keeps no events."""
    try:
        events = ask(path, "history", query={"about": service, "limit": 1000})["events"]
    except (Failure, LookupError, TypeError):
        return []
    moves = [each for each in events if each["what"] in _MOVED and each["facts"].get("service") == service]
    return moves[-_EARLIER - 1 : -1]


def _earlier(moves: list[dict[str, Any]], screen: Screen) -> None:
    if not moves:
        return
    screen.line()
    rows = [
        (
            screen.moment(each["time"]),
            str(each["facts"].get("to") or "nobody"),
            str(each["facts"].get("why", "")),
        )
        for each in reversed(moves)
    ]
    screen.table(("earlier", "leader", "why"), rows)


def _places(explanation: dict[str, Any], screen: Screen) -> None:
    shared = explanation.get("sharing") is not None
    screen.table(
        ("place", "node", "verdict", *(("weight", "share") if shared else ("score", "hash")), "why"),
        [
            (
                str(place["position"]),
                place["node"],
                verdict(place["verdict"]),
                *(
                    (str(place["weight"]), f"{place['share']:.0%}")
                    if shared
                    else (str(place["score"]), place["digest"][:12])
                ),
                place["why"],
            )
            for place in explanation["places"]
        ],
    )


def _checks(checks: list[dict[str, Any]], screen: Screen) -> None:
    """Show what this node checks, and what a failing check said last."""
    if not checks:
        return
    screen.line()
    screen.table(
        ("check here", "state", "since", "weight", "last result"),
        [
            (
                each["check"],
                (each["state"], _STATES.get(each["state"], "")),
                screen.moment(each["since"]) if each["since"] else "",
                "" if each["weight"] is None else str(each["weight"]),
                each["why"] + (f" ({each['against']} in a row)" if each["against"] else ""),
            )
            for each in checks
        ],
    )
    for each in checks:
        if each["state"] == "failing" and each["output"]:
            screen.line((f"{each['check']} said: ", "dim"), each["output"].splitlines()[-1], indent=4)
