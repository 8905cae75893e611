"""`roost status`: what is wrong, who leads what, and who is alive."""

import json
from pathlib import Path
from typing import Any

import click

from roost.cli.backends import BACKEND_COLUMNS, backend_rows
from roost.cli.client import ask, json_option, socket_option
from roost.cli.exits import Exit, Failure
from roost.cli.output import answerers, passed_on
from roost.cli.schema import schema_option
from roost.cli.screen import COLOURS, Cell, Screen, clean, sign, verdict
from roost.cli.watch import watch_leaders

__all__ = ["command"]


@click.command()
@click.option(
    "--watch",
    is_flag=True,
    help="Go on: a line for each service whose leader changes, and why, until Ctrl-C.",
)
@click.option(
    "--check",
    is_flag=True,
    help="One line for monitoring, as Nagios has it: OK (exit 0), WARNING or CRITICAL (exit 1);"
    " exit 4 when no speaker answers.",
)
@schema_option("status", "Print the JSON schema of what --json prints, and end.")
@socket_option
@json_option
def command(socket_path: Path | None, *, as_json: bool, watch: bool, check: bool) -> None:
    """Show what is wrong, who leads what, the members with their verdicts, and since when."""
    if watch and check:
        raise click.UsageError("--check looks once; --watch goes on for ever")
    if check:
        _check(socket_path, as_json=as_json)
    elif watch:
        watch_leaders(socket_path, as_json=as_json)
    else:
        status = ask(socket_path, "status")
        if as_json:
            click.echo(json.dumps(status, indent=2))
        else:
            _draw(status, Screen())


# -- for monitoring --------------------------------------------------------------------------------


def _check(path: Path | None, *, as_json: bool) -> None:
    """Print one line and end with its exit code."""
    try:
        report = _judge(ask(path, "status"))
        code = Exit.OK if report["state"] == "OK" else Exit.INVALID
    except Failure as failure:
        report = {
            "state": "CRITICAL",
            "node": None,
            "text": failure.message,
            "problems": [],
            "notes": [],
            "figures": {},
        }
        code = Exit(failure.exit_code)
    # Behind a bar Nagios reads figures.
    line = f"{report['state']} - {clean(report['text']).replace('|', '/')}"
    if figures := " ".join(f"{name}={value}" for name, value in report["figures"].items()):
        line += f" | {figures}"
    click.echo(json.dumps(report) if as_json else line)
    raise SystemExit(int(code))


def _judge(status: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a node in Nagios' words, with what that follows from."""
    problems = status["problems"]
    members, services = status["members"], status["services"]
    alive = sum(member["verdict"] == "alive" for member in members)
    led = sum(_answers(service, status["node"]) for service in services)
    if problems:
        found = "; ".join(f"{each['kind']}: {each['text']}" for each in problems)
        text = f"{status['node']}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}: {found}"
    else:
        text = f"{status['node']}: {alive} members alive, {len(services)} services, {led} led here"
    notes = status.get("notes", [])  # an older speaker has none
    text += "".join(f"; {each['kind']}: {each['text']}" for each in notes)
    critical = any(each["severity"] == "critical" for each in problems)
    return {
        "state": "CRITICAL" if critical else "WARNING" if problems else "OK",
        "node": status["node"],
        "text": text,
        "problems": problems,
        "notes": notes,
        "figures": {
            "problems": len(problems),
            "members": len(members),
            "alive": alive,
            "services": len(services),
            "led": led,
        },
    }


def _answers(service: dict[str, Any], node: str) -> bool:
    shares = service.get("shares")
    if shares is None or (service.get("sharing") or {}).get("by") == "connection":
        return bool(service["leader"] == node)
    return node in shares


# -- for people ------------------------------------------------------------------------------------


def _draw(status: dict[str, Any], screen: Screen) -> None:
    _problems(status, screen)
    for note in status.get("notes", ()):  # an older speaker has none
        told = f": {note['text']} "
        screen.line("note: ", (note["kind"], "bold"), told, (f"-> {note['cure']}", "cyan"), indent=6)
    state = "" if status["settled"] else "  (still listening for peers; claims nothing yet)"
    since = f"{'up' if screen.is_terminal else 'up since'} {screen.moment(status['started_at'])}"
    screen.line(
        (status["node"], "bold"),
        f"  roost {status['version']}  {since}  profile {status['profile']}",
        (state, "yellow"),
    )
    screen.line()
    screen.table(
        ("service", "addresses", "leader", "since", "here", "open", "notes"),
        [_service(each, screen) for each in status["services"]],
    )
    if rows := backend_rows(status["services"], screen):
        screen.line()
        screen.table(BACKEND_COLUMNS, rows)
    screen.line()
    screen.table(
        ("member", "address", "verdict", "since", "evidence"),
        [_member(each, screen) for each in status["members"]],
    )
    if (why := status["not_passing_on"]) and all(each["text"] != why for each in status["problems"]):
        screen.line((why, "dim"), indent=4)  # an option that is off
    for told in _responders(status):
        screen.line((told, "dim"), indent=4)
    for link in status["interfaces"]:
        if not link["announcing"]:
            screen.line((f"interface {link['name']} does not announce: {link['reason']}", "dim"), indent=4)


def _responders(status: dict[str, Any]) -> list[str]:
    """Return what answers questions on which interfaces, and why it is not the kernel if it was to be."""
    found: dict[tuple[str, str], list[str]] = {}
    for link in status["interfaces"]:
        if kind := link.get("responder"):
            found.setdefault((kind, link["responder_reason"]), []).append(link["name"])
    return [
        f"{'this process' if kind == 'packet' else f'the kernel ({kind})'} answers on {' '.join(names)}"
        f"{f': {why}' if why else ''}"
        for (kind, why), names in found.items()
    ]


def _problems(status: dict[str, Any], screen: Screen) -> None:
    """Say first what is wrong, each with its cure."""
    if not status["problems"]:
        screen.line(("no problems", "green"))
        return
    screen.line((f"problems: {len(status['problems'])}", "bold"))
    for each in status["problems"]:
        severity = each["severity"]
        what: list[Cell] = [
            (f"{sign(severity)} {severity:8}", COLOURS[severity]),
            "  ",
            (each["kind"], "bold"),
            f": {each['text']}",
        ]
        cure: Cell = (f"-> {each['cure']}", "cyan")
        if screen.is_terminal:
            screen.line(*what, indent=4)
            screen.line("    ", cure, indent=7)
        else:
            screen.line(*what, " ", cure)  # a line for each, to be searched for
    screen.line()


def _service(service: dict[str, Any], screen: Screen) -> list[Cell]:
    leader: Cell = answerers(service) or ("nobody", "bold red")
    here = f"answering on {' '.join(service['interfaces'])}" if service["answering"] else ""
    return [
        service["name"],
        " ".join(service["addresses"]),
        leader,
        screen.moment(service["since"]),
        here,
        " ".join("-" if each is None else str(each) for each in service["connections"].values()),
        "; ".join(_notes(service)),
    ]


def _notes(service: dict[str, Any]) -> list[str]:
    fitness = _fitness(service.get("fitness"))
    kept = [why] if (why := service.get("why_kept")) else []
    return [*kept, *fitness, *map(passed_on, service["passing_on"]), *service["problems"]]


def _fitness(fitness: dict[str, Any] | None) -> list[str]:
    """Return what this node's checks say, where that is not simply that it is fit."""
    if fitness is None:
        return []
    weight = [f"weight {fitness['weight']} here"] if fitness["weight"] else []
    return weight if fitness["fit"] else [f"unfit here: {fitness['why']}", *weight]


def _member(member: dict[str, Any], screen: Screen) -> list[Cell]:
    word = member["verdict"]
    shown = "draining" if word == "alive" and member.get("draining") else word
    return [
        member["name"],
        member["address"],
        verdict(shown),
        screen.moment(member["since"]),
        member["evidence"],
    ]
