"""YAML text as a tree that knows where everything stands.

What lives here: reading YAML within bounds. What this module must not know: what the keys mean.

Built from the parser's events, never by constructing objects, so no tag can run anything and depth is
counted, not recursed into. Plain scalars follow YAML 1.2's core schema: `no` is a text and
`1:2:3:4:5:6:7:8` an address, not a number in base 60. An alias shares the tree that it points to; what
all of it would expand to is counted and bounded.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, NoReturn

import yaml

from roost.standalone.problems import Finding, Spot

__all__ = ["MAX_DEPTH", "MAX_NODES", "Document", "Found", "Node", "UnreadableError", "parse"]

MAX_DEPTH: Final = 16
MAX_NODES: Final = 200_000  # values, with every alias expanded: some 20,000 services

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FRACTION: Final = re.compile(r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}

_NO_KEYS: Final[Mapping[str, Any]] = MappingProxyType({})
_NUMERIC: Final = frozenset("+-.0123456789")  # what a number begins with

Path = tuple[str | int, ...]
Found = tuple[Path, Spot, Finding]  # what is wrong, and where


class UnreadableError(Exception):
    """A file or text that is no YAML document within bounds; `finding` and `spot` say why and where."""

    def __init__(self, finding: Finding, spot: Spot) -> None:
        super().__init__(finding.cause)
        self.finding = finding
        self.spot = spot


@dataclass(slots=True, eq=False)
class Node:
    """A value with its place: a scalar, a list of nodes, or a mapping of texts to nodes.

    `keys` says where a mapping's keys stand; `weight` counts the values below and this one. Of most nobody
    asks where they stand: marks are made into that only then.
    """

    value: Any
    mark: Any  # PyYAML's, of the C parser or the Python one
    keys: Mapping[str, Any]  # their marks
    weight: int = 1

    @property
    def spot(self) -> Spot:
        """Where it stands."""
        return _spot(self.mark)

    def plain(self) -> Any:
        """Return the value without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text: its tree, and what is wrong with it although it can be read (repeated keys, ...)."""

    root: Node
    findings: tuple[Found, ...]

    def find(self, path: Sequence[str | int]) -> tuple[Path, Spot]:
        """Return the longest part of `path` that exists here, and where it stands.

        Elements that do not exist are skipped, except that a missing last key counts as present and
        stands where its mapping does.
        """
        node, found, spot = self.root, list[str | int](), self.root.spot
        for at, step in enumerate(path):
            below = _child(node, step)
            if below is not None:
                node = below
                spot = node.spot
                found.append(step)
            elif at == len(path) - 1 and isinstance(step, str) and isinstance(node.value, dict):
                found.append(step)
        return tuple(found), spot

    def key_spot(self, path: Path) -> Spot:
        """Return where the key at the end of `path` stands."""
        node = self.get(path[:-1])
        return _spot(node.keys[str(path[-1])]) if node and path[-1] in node.keys else self.find(path)[1]

    def get(self, path: Sequence[str | int]) -> Node | None:
        """Return the node at `path`, or None."""
        node: Node | None = self.root
        for step in path:
            node = _child(node, step) if node else None
        return node


def parse(text: str) -> Document:
    """Read one YAML document within bounds; raises UnreadableError."""
    builder = _Builder()
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UnreadableError(_syntax(error, text), _spot(mark) if mark else Spot()) from error
    except yaml.reader.ReaderError as error:
        raise UnreadableError(
            Finding("holds a character that YAML does not allow", "remove control characters"),
            _position(text, error.position),
        ) from error
    except yaml.YAMLError as error:
        raise UnreadableError(
            Finding("is not YAML", "check quotes, brackets and indentation"), Spot()
        ) from error
    if builder.root is None or builder.root.value is None:
        raise UnreadableError(Finding("the file is empty", "let `roost init` write one"), Spot())
    return Document(builder.root, tuple(builder.findings))


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    node: Node
    path: Path
    anchor: str | None
    keys: dict[str, Any]  # of a mapping
    is_mapping: bool
    key: str | None = None  # of the value that comes next

    @property
    def below(self) -> Path:
        """The path of the value that comes next."""
        return (*self.path, len(self.node.value) if self.key is None else self.key)


class _Builder:
    def __init__(self) -> None:
        self.root: Node | None = None
        self.findings: list[Found] = []
        self._open: list[_Open] = []
        self._top: _Open | None = None  # the last of them
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._values = 0  # with every alias expanded

    def take(self, event: yaml.Event) -> None:
        take = self._takes.get(type(event))
        if take is not None:
            take(self, event)

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            _refuse(event, "holds more than one YAML document", "keep one, without a second ---")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        top, text, mark = self._top, event.value, event.start_mark
        if top is not None and top.is_mapping and top.key is None:
            self._key(top, text, mark)
            return
        if event.tag is not None:
            _check_tag(event)
        value = _resolve(text) if event.implicit[0] and not event.style else text
        node = Node(value, mark, _NO_KEYS)
        self._count(event, 1)
        if event.anchor:
            self._anchors[event.anchor] = node
        if value is None and top is not None:
            finding = Finding("has no value", "give it a value or remove it")
            self.findings.append((top.below, _spot(mark), finding))
        self._put(node)

    def _key(self, parent: _Open, text: str, mark: Any) -> None:
        first = parent.keys.setdefault(text, mark)
        if first is not mark:
            finding = Finding(f"is given twice, first in line {_spot(first).line}", "keep one of the two")
            self.findings.append(((*parent.path, text), _spot(mark), finding))
        parent.key = text

    def _alias(self, event: yaml.AliasEvent) -> None:
        node = self._anchors.get(event.anchor or "")
        if self._wants_key() or node is None:
            _refuse(event, "an alias (*) points to nothing finished before it", "write the value out")
        self._count(event, node.weight)
        self._put(node)

    def _sequence(self, event: yaml.SequenceStartEvent) -> None:
        self._start(event, Node([], event.start_mark, _NO_KEYS), {}, is_mapping=False)

    def _mapping(self, event: yaml.MappingStartEvent) -> None:
        keys: dict[str, Any] = {}
        self._start(event, Node({}, event.start_mark, keys), keys, is_mapping=True)

    def _start(
        self, event: yaml.CollectionStartEvent, node: Node, keys: dict[str, Any], *, is_mapping: bool
    ) -> None:
        if self._wants_key():
            _refuse(event, "a key is not a plain text", "quote the key, or check brackets and indentation")
        if len(self._open) >= MAX_DEPTH:
            _refuse(event, f"is nested deeper than {MAX_DEPTH} levels", "check brackets and indentation")
        if event.tag is not None:
            _check_tag(event)
        self._count(event, 1)
        path = self._top.below if self._top else ()
        self._top = _Open(node, path, event.anchor, keys, is_mapping)
        self._open.append(self._top)

    def _end(self, _: yaml.CollectionEndEvent) -> None:
        done = self._open.pop()
        self._top = self._open[-1] if self._open else None
        if done.anchor:
            self._anchors[done.anchor] = done.node
        self._put(done.node)

    def _put(self, node: Node) -> None:
        parent = self._top
        if parent is None:
            self.root = node
            return
        parent.node.weight += node.weight
        if not parent.is_mapping:
            parent.node.value.append(node)
        elif parent.key is not None:
            parent.node.value.setdefault(parent.key, node)  # of two, the first counts
            parent.key = None

    def _count(self, event: yaml.Event, values: int) -> None:
        self._values += values
        if self._values > MAX_NODES:
            _refuse(event, f"holds more than {MAX_NODES:,} values", "split the cluster, or drop aliases (*)")

    def _wants_key(self) -> bool:
        return self._top is not None and self._top.is_mapping and self._top.key is None

    # Of the class: an object that refers to its own methods is a cycle, which nobody collects after a reload.
    _takes: ClassVar[Mapping[type[yaml.Event], Callable[["_Builder", Any], None]]] = {
        yaml.ScalarEvent: _scalar,
        yaml.SequenceStartEvent: _sequence,
        yaml.MappingStartEvent: _mapping,
        yaml.SequenceEndEvent: _end,
        yaml.MappingEndEvent: _end,
        yaml.AliasEvent: _alias,
        yaml.DocumentStartEvent: _document,
    }


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(node.value, dict):
        found: Node | None = node.value.get(step)
        return found
    if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
        item: Node = node.value[step]
        return item
    return None


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield the parser's events, as `yaml.parse` does with twice the calls."""
    loader = _Loader(text)
    try:
        while (event := loader.get_event()) is not None:
            yield event
    finally:
        loader.dispose()


def _resolve(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    if _NUMBER.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text


def _check_tag(event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
    if event.tag not in (
        None,
        "!",
        "tag:yaml.org,2002:str",
        "tag:yaml.org,2002:seq",
        "tag:yaml.org,2002:map",
    ):
        _refuse(event, "a YAML tag (!) is not allowed", "remove the tag")


def _refuse(event: yaml.Event, cause: str, cure: str) -> NoReturn:
    raise UnreadableError(Finding(cause, cure), _spot(event.start_mark))


def _syntax(error: yaml.MarkedYAMLError, text: str) -> Finding:
    context = f" {error.context}" if error.context else ""
    if (mark := error.problem_mark) is not None and _indented_by_tab(text, mark.line):
        return Finding(f"is not YAML: {error.problem}{context}", "indent with spaces: YAML takes no tabs")
    return Finding(f"is not YAML: {error.problem}{context}", "check quotes, brackets and indentation")


def _indented_by_tab(text: str, line: int) -> bool:
    found = text.split("\n", line + 1)[line] if text.count("\n") >= line else ""
    return "\t" in found[: len(found) - len(found.lstrip())]


def _spot(mark: Any) -> Spot:
    """Return the place of a PyYAML mark, of the C parser or the Python one."""
    return Spot(mark.line + 1, mark.column + 1)


def _position(text: str, offset: int) -> Spot:
    before = text[:offset]
    return Spot(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)
