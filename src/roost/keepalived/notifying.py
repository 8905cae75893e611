"""Notify scripts, and routes that move with an address, as hooks."""

from collections.abc import Sequence
from typing import Final

from roost.keepalived.balancing import Balanced
from roost.keepalived.fields import Fields
from roost.keepalived.places import Remarks
from roost.keepalived.tracking import command, user
from roost.keepalived.tree import Entry
from roost.keepalived.words import arguments
from roost.keepalived.yaml_text import Block, Plain

__all__ = ["notified", "routed", "unfit_calls"]

_TIMEOUT: Final = "60s"  # theirs may take as long as they like
_STATES: Final = {
    "notify_master": ("leading",),
    "notify_backup": ("standby",),
    "notify_fault": ("unfit",),
    "notify_stop": ("stopped",),
    "notify": ("leading", "standby", "unfit", "stopped"),
}  # in the order in which they are called for one change
_NOT_LEADING: Final = ("standby", "unfit", "stopped")
_TRACKING: Final = frozenset(("no_track", "track_group"))


def notified(fields: Fields, service: str, remarks: Remarks) -> list[Block]:
    """Return the hooks for the notify scripts of an instance, or of a group that begins with `service`."""
    hooks: list[Block] = []
    for keyword, states in _STATES.items():
        for entry in fields.every(keyword):
            said = arguments(entry.rest)
            argv = command(_quoted("".join(said[:1])), entry, remarks)
            if not argv:
                continue
            user(entry, said[1:], remarks)
            form = "keepalived" if keyword == "notify" else "none"
            hooks.append(_hook(argv, states, service, form, entry))
    return hooks


def routed(fields: Fields, service: str, remarks: Remarks) -> list[Block]:
    """Return the hooks that set the routes and rules of an instance while this node leads."""
    hooks: list[Block] = []
    for keyword, kind, setting in (("virtual_routes", "route", "replace"), ("virtual_rules", "rule", "add")):
        for entry in fields.merged(keyword):
            argv = _ip_words(entry)
            if "or" in argv or "track_group" in argv:
                remarks.lost(entry.place, entry.text, "is no line for `ip`; write a hook by hand")
                continue
            family = ("-6",) if any(":" in word for word in argv) or "inet6" in argv else ()
            argv = tuple(word for word in argv if word not in ("inet6", "inet"))
            hooks.append(_hook(("ip", *family, kind, setting, *argv), ("leading",), service, "none", entry))
            hooks.append(_hook(("ip", *family, kind, "del", *argv), _NOT_LEADING, service, "none", entry))
            remarks.changed(
                entry.place,
                entry.text,
                "a hook sets it with `ip`, and nobody puts it back when it is deleted",
            )
    return hooks


def unfit_calls(servers: Sequence[Balanced], service: str, remarks: Remarks) -> list[Block]:
    """Return the hooks for `notify_down` of real servers that stand alone: without them a node is unfit."""
    hooks: list[Block] = []
    for entry in (each for server in servers for each in server.when_down):
        said = arguments(entry.rest)
        if argv := command(_quoted("".join(said[:1])), entry, remarks):
            user(entry, said[1:], remarks)
            hooks.append(_hook(argv, ("unfit",), service, "none", entry))
            why = "a hook calls it when this node is unfit, as it is when it reaches no backend"
            remarks.changed(entry.place, entry.text, why)
    return hooks


def _hook(argv: tuple[str, ...], states: tuple[str, ...], service: str, form: str, entry: Entry) -> Block:
    keys: dict[str, Plain] = {
        "run": argv,
        "on": states,
        "services": (service,),
        "arguments": form,
        "timeout": _TIMEOUT,
    }
    return Block(small=keys, places=(entry.place,))


def _ip_words(entry: Entry) -> tuple[str, ...]:
    return tuple({"gw": "via"}.get(word, word) for word in entry.words if word != "no_track")


def _quoted(text: str) -> str:
    """Return a text that `command` takes for one."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
