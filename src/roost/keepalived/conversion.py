"""A whole configuration of theirs as ours, with a remark for each line that is not in it as it stood."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roost.keepalived.files import Files
from roost.keepalived.lines import Lines
from roost.keepalived.places import Remark, Remarks, UnreadableError
from roost.keepalived.result import file_fields
from roost.keepalived.services import Wishes
from roost.keepalived.tree import tree
from roost.keepalived.yaml_text import from_lines, printed

__all__ = ["Conversion", "Wishes", "convert"]

_ANNOUNCING: Final = frozenset({"vrrp_instance", "virtual_server"})
_TITLES: Final = (
    ("lost", "What has no counterpart:"),
    ("changed", "What acts differently:"),
    ("needless", "What is left out, and nothing is missing:"),
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """The text of a roost.yaml, and what is to be said of it in the order of their lines.

    Where nothing was `found`, the file announces no address and balances nothing: it is none of Keepalived's,
    most likely.
    """

    text: str
    remarks: tuple[Remark, ...]
    found: bool

    def of_kind(self, kind: str) -> tuple[Remark, ...]:
        """Return the remarks of one kind."""
        return tuple(each for each in self.remarks if each.kind == kind)


def convert(
    path: Path, files: Files, wishes: Wishes, environment: Mapping[str, str], hostname: str
) -> Conversion:
    """Read the file at `path` and write it anew; `hostname` is what conditions ask for unless `wishes` says.

    Raises UnreadableError, and nothing else, for what cannot be read, goes beyond a bound, or depends on what
    `wishes` leaves open.
    """
    remarks = Remarks()
    here = hostname.partition(".")[0]
    lines = Lines(files, wishes.node or here, environment, remarks)
    entries = tree(lines.of(path), remarks)
    if lines.conditions and not wishes.node and here not in lines.conditions:
        name, place = next(iter(lines.conditions.items()))
        names = ", ".join(sorted(lines.conditions))
        raise UnreadableError(f"@{name} asks which node this is; say it with --node, one of: {names}", place)
    fields = list(file_fields(entries, wishes, remarks))
    told = remarks.in_order()
    lost = sum(each.kind == "lost" for each in told)
    missing = [f"# {lost} of its parts have no counterpart: see the end."] if lost else []
    text = [
        f"# Written by `roost import` from {path.name}; comments name the lines there.",
        *missing,
        *printed(fields, str(path)),
    ]
    found = any(each.keyword in _ANNOUNCING for each in entries)
    return Conversion("\n".join([*text, *_told(told, str(path)), ""]), told, found)


def _told(remarks: Sequence[Remark], main: str) -> Iterator[str]:
    for kind, title in _TITLES:
        found = [each for each in remarks if each.kind == kind]
        if found:
            yield ""
            yield f"# {title}"
        for each in found:
            yield f"# {from_lines((each.place,), main)}: {each.what}: {each.why}"
