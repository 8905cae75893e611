"""`vrrp_script`, `vrrp_track_process`, `track_file` and `track_interface` as `track` of a service."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from roost.keepalived.fields import Fate, Fields, link_name, number
from roost.keepalived.places import Place, Remarks
from roost.keepalived.tree import Entry
from roost.keepalived.words import arguments
from roost.keepalived.yaml_text import Block, Plain

__all__ = ["Watched", "Watches", "command", "tracked", "user"]

_SHELL: Final = re.compile(r"[|&;<>()$`*?~\[\]]")
_WEIGHTS: Final = 253
_KNOWN: Final[Mapping[str, Fate]] = {"init_fail": ("changed", "a check has no verdict until it has run once")}


@dataclass(frozen=True, slots=True)
class Watched:
    """What one of their blocks watches: our keys for it, and the weight that it has unless said otherwise."""

    keys: dict[str, Plain]
    place: Place
    weight: int
    reverse: bool


class Watches:
    """All that can be tracked by name."""

    def __init__(self, remarks: Remarks) -> None:
        self._remarks = remarks
        self._named: dict[tuple[str, str], Watched] = {}
        self._tracked: set[tuple[str, str]] = set()

    def script(self, entry: Entry) -> None:
        """Take a `vrrp_script`."""
        remarks, fields = self._remarks, Fields(entry.entries, self._remarks)
        given, account = fields.one("script"), fields.one("user")
        interval = number(fields.one("interval"), 0.001, 1e6, remarks) or 1.0
        timeout = number(fields.one("timeout"), 0.001, 1e6, remarks) or interval
        counts = {each: int(number(fields.one(each), 1, 1000, remarks) or 1) for each in ("rise", "fall")}
        weight, reverse = self._weight(fields.one("weight"), 0)
        fields.finish(_KNOWN)
        if given is None:
            remarks.lost(entry.place, entry.text, "has no script")
            return
        argv = command(given.rest, given, remarks)
        if not argv:
            return
        if account:
            user(account, account.words[1:], remarks)
        keys: dict[str, Plain] = {
            "command": argv,
            "interval": _time(interval),
            "timeout": _time(timeout),
            **counts,
        }
        self._named["script", entry.value] = Watched(keys, entry.place, weight, reverse)

    def process(self, entry: Entry) -> None:
        """Take a `vrrp_track_process`."""
        remarks, fields = self._remarks, Fields(entry.entries, self._remarks)
        given = fields.one("process")
        weight, reverse = self._weight(fields.one("weight"), 1)
        if (quorum := fields.one("quorum")) and number(quorum, 1, 65535, remarks) != 1:
            remarks.lost(quorum.place, quorum.text, "one process of the name is enough")
        fields.finish(
            {
                **dict.fromkeys(
                    ("delay", "terminate_delay"), ("lost", "the end of a process counts at once")
                ),
                "fork_delay": ("needless", "a process counts once it runs"),
                "full_command": ("lost", "a process is known by its name, or by pidFile"),
                "param_match": ("lost", "a process is known by its name, or by pidFile"),
                "quorum_max": ("lost", "more processes than one are no failure"),
            }
        )
        if given is None or not given.value:
            remarks.lost(entry.place, entry.text, "names no process")
            return
        if len(given.words) > 2:
            remarks.lost(given.place, given.text, "arguments of a process are not compared; use pidFile")
        name = given.value.rsplit("/", 1)[-1]
        self._named["process", entry.value] = Watched(
            {"process": {"name": name}}, entry.place, weight, reverse
        )

    def file(self, entry: Entry) -> None:
        """Take a `track_file`."""
        remarks, fields = self._remarks, Fields(entry.entries, self._remarks)
        given = fields.one("file")
        weight, reverse = self._weight(fields.one("weight"), 1, most=2**31)
        fields.finish({"init_file": ("lost", "Roost writes no file; have it there")})
        if given is None or not given.value:
            remarks.lost(entry.place, entry.text, "names no file")
            return
        self._named["file", entry.value] = Watched({"file": given.value}, entry.place, weight, reverse)

    def found(self, kind: str, name: str) -> Watched | None:
        """Return what is tracked by that name, and note that somebody does."""
        self._tracked.add((kind, name))
        return self._named.get((kind, name))

    def finish(self) -> None:
        """Make a remark of each that nobody tracks: keepalived does not run it either."""
        for (kind, name), watched in self._named.items():
            if (kind, name) not in self._tracked:
                self._remarks.needless(watched.place, f"{kind} {name}", "no instance tracks it")

    def _weight(self, entry: Entry | None, default: int, most: int = 254) -> tuple[int, bool]:
        found = number(entry, -most, most, self._remarks)
        reverse = entry is not None and "reverse" in entry.words[2:]
        return (default if found is None else int(found)), reverse


def tracked(fields: Fields, watches: Watches, remarks: Remarks, *, weights: bool) -> tuple[list[Block], int]:
    """Return the entries of `track`, and what has to be added to the priority for them.

    Theirs add a positive weight while a check is good; ours change the rank while it fails. So the weight
    goes into the priority, and is lost with the check. Without `weights` (in a sync group) a check that fails
    makes unfit, as with them.
    """
    blocks: list[Block] = []
    raised = 0
    for kind in ("script", "process", "file", "interface"):
        for entry in fields.merged(f"track_{kind}"):
            watched = (
                Watched({"interface": entry.words[0]}, entry.place, 0, reverse=False)
                if kind == "interface"
                else watches.found(kind, entry.words[0])
            )
            if kind == "interface" and link_name(entry.words[0], entry, remarks) is None:
                continue
            if watched is None:
                why = f"there is no {kind} of this name, so keepalived passes over it, too"
                remarks.needless(entry.place, entry.text, why)
                continue
            weight, reverse = _weight_here(entry, watched, remarks)
            if weight and not weights:
                remarks.needless(entry.place, entry.text, "keepalived ignores weights in a sync group, too")
                weight = 0
            more = _said(kind, entry, watched, weight, remarks, reverse=reverse)
            if more is None:
                continue
            keys, added = more
            raised += added
            note = f"{entry.words[0]} adds {weight} while it is good" if added else ""
            places = tuple(dict.fromkeys((entry.place, watched.place)))
            blocks.append(Block(small=keys, places=places, note=note))
    return blocks, raised


def command(text: str, entry: Entry, remarks: Remarks) -> tuple[str, ...]:
    """Return the program and its arguments that a text means; a shell's if it has a shell's signs.

    Empty, with a remark, where there is none that could be found from anywhere.
    """
    said = arguments(text)
    line = said[0] if len(said) == 1 else text
    if _SHELL.search(re.sub(r"'[^']*'", "", line)):
        return "/bin/sh", "-c", line
    argv = arguments(line)
    if argv and argv[0] and ("/" not in argv[0] or argv[0].startswith("/")):
        return argv
    remarks.lost(entry.place, entry.text, "names no program by its absolute path or its name on PATH")
    return ()


def user(entry: Entry, names: tuple[str, ...], remarks: Remarks) -> None:
    """Note that a program runs as another user with them."""
    if names and names[0] != "root":
        remarks.lost(entry.place, entry.text, "programs run as the user of the speaker, in its sandbox")
    elif names:
        remarks.needless(entry.place, entry.text, "programs run as the user of the speaker")


def _weight_here(entry: Entry, watched: Watched, remarks: Remarks) -> tuple[int, bool]:
    """Return the weight that counts where something is tracked, and whether it is reversed."""
    if len(entry.words) < 2:
        return watched.weight, watched.reverse
    if entry.words[1].lower() != "weight":
        remarks.changed(entry.place, entry.text, "the name counts, as with keepalived; is it a weight?")
        return watched.weight, watched.reverse
    found = number(entry, -(2**31), 2**31, remarks, at=2)
    return (watched.weight if found is None else int(found)), "reverse" in entry.words[3:]


def _said(
    kind: str, entry: Entry, watched: Watched, weight: int, remarks: Remarks, *, reverse: bool
) -> tuple[dict[str, Plain], int] | None:
    """Return our keys for one check, and what its weight adds to the priority; None where there are none."""
    keys = dict(watched.keys)
    if kind == "file":
        if weight == 0:
            test = f"read n < '{keys.pop('file')}'; [ \"$n\" = 0 ]"
            return {
                "command": ("/bin/sh", "-c", test),
                "interval": "1s",
                "timeout": "1s",
                "rise": 1,
                "fall": 1,
            }, 0
        if weight != 1 or reverse:
            remarks.lost(
                entry.place, entry.text, "the number in the file counts as it stands, with no factor"
            )
        return keys, 0
    if weight == 0:
        if reverse:
            remarks.lost(entry.place, entry.text, "what is good cannot make unfit; turn the command round")
            return None
        return keys, 0
    size = min(_WEIGHTS, abs(weight))
    raised = size if weight > 0 else 0
    return {**keys, "weight": size if reverse else -size}, -raised if reverse else raised


def _time(seconds: float) -> str:
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
