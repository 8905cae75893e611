"""A block of theirs, read key by key: what nobody asks for is a remark."""

import math
import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface
from typing import Final, Literal

from roost.keepalived.keywords import KEYWORDS
from roost.keepalived.places import Place, Remarks
from roost.keepalived.tree import Entry

__all__ = ["Address", "Fate", "Fields", "address", "is_true", "link_name", "number"]

Fate = tuple[Literal["lost", "changed", "needless"], str]  # what becomes of a keyword, and why

_TRUE: Final = frozenset(("", "true", "on", "yes"))
_LINK: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,14}")
_MARKS: Final = ("${", "{{", "<", "__", "%")  # of a template's placeholder
_CAPITALS: Final = re.compile(r"[A-Z][A-Z0-9_]+")
_PLACEHOLDER: Final = "waits to be filled in; do that and import the result"


class Fields:
    """The entries of one block, each to be taken once."""

    def __init__(self, entries: list[Entry], remarks: Remarks) -> None:
        self._entries = dict.fromkeys(entries)
        self._remarks = remarks

    def every(self, *keywords: str) -> list[Entry]:
        """Take all entries with one of these keywords, in their order."""
        found = [entry for entry in self._entries if entry.keyword in keywords]
        for entry in found:
            del self._entries[entry]
        return found

    def one(self, *keywords: str) -> Entry | None:
        """Take the last entry with one of these keywords, as they do; earlier ones are remarks."""
        found = self.every(*keywords)
        for entry in found[:-1]:
            self._remarks.changed(
                entry.place, entry.text, f"is said again in line {found[-1].place.line}, which counts"
            )
        return found[-1] if found else None

    def merged(self, *keywords: str) -> list[Entry]:
        """Take what stands in all blocks with one of these keywords."""
        found: list[Entry] = []
        for entry in self.every(*keywords):
            if entry.block is None:
                self._remarks.lost(entry.place, entry.text, "has no block in braces")
            found += entry.entries
        return found

    def finish(self, known: Mapping[str, Fate]) -> None:
        """Make a remark of each entry that nobody took."""
        for entry in self._entries:
            kind, why = known.get(entry.keyword) or _stranger(entry)
            getattr(self._remarks, kind)(entry.place, entry.text, why)
        self._entries.clear()


Address = tuple[str, int, Place]  # canonical text, length of the prefix (bits), where it stands


def address(text: str, entry: Entry, remarks: Remarks) -> Address | None:
    """Return an address with or without a prefix; a remark and None for anything else."""
    try:
        found = ip_interface(text)
    except ValueError:
        remarks.lost(entry.place, entry.text, _PLACEHOLDER if _is_placeholder(text) else "is no IP address")
        return None
    if found.ip.is_multicast or found.ip.is_unspecified or found.ip.is_loopback:
        remarks.lost(entry.place, entry.text, "is no address of a single host of the network")
        return None
    return str(ip_address(found.ip)), found.network.prefixlen, entry.place


def link_name(text: str, entry: Entry, remarks: Remarks) -> str | None:
    """Return the name of an interface; a remark and None for anything else."""
    if _LINK.fullmatch(text):
        return text
    remarks.lost(
        entry.place, entry.text, _PLACEHOLDER if _is_placeholder(text) else "is no name of an interface"
    )
    return None


def number(entry: Entry | None, low: float, high: float, remarks: Remarks, *, at: int = 1) -> float | None:
    """Return the number that is word `at` of an entry; a remark and None where it is none in bounds."""
    if entry is None:
        return None
    text = entry.words[at] if len(entry.words) > at else ""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        if _is_placeholder(text):
            remarks.lost(entry.place, entry.text, _PLACEHOLDER)
        else:
            why = f"is no number from {low:g} to {high:g}; keepalived takes its default, and so does this"
            remarks.changed(entry.place, entry.text, why)
        return None
    return value


def is_true(entry: Entry | None) -> bool:
    """Tell whether a switch is on: named alone, or with a word for true."""
    return entry is not None and entry.value.lower() in _TRUE


def _stranger(entry: Entry) -> Fate:
    if entry.keyword in KEYWORDS:
        return "lost", "stands where Roost does not know it"
    if _is_placeholder(entry.text):
        return "lost", _PLACEHOLDER
    return "needless", "is no keyword, and keepalived passes over it, too; was it mistyped?"


def _is_placeholder(text: str) -> bool:
    """Tell whether a text waits for somebody to write another one in its place."""
    return not text or any(mark in text for mark in _MARKS) or bool(_CAPITALS.fullmatch(text))
