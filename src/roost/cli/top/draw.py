"""How `roost top` looks: lines that fit a terminal of any size. Words and signs say what colours say."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from roost.cli.screen import COLOURS, age, clean, sign
from roost.cli.top.model import SORTS, Model, Pane, Row

__all__ = ["HELP", "draw"]

HELP: Final = (
    "up down j k       move                  tab   addresses or nodes",
    "page up, down     ten rows              g G   first, last",
    "e, enter          explain the address   w     what if the node or leader dies",
    "d                 drain that node       u     let it lead again",
    "f                 forget a lost node    p     all problems, with cures",
    "/                 filter, esc clears    s r   sort by another column, turn",
    "?                 this help             q     quit",
    "",
    "packets/s: of addresses that this host answers for; conns: open on this host;",
    "ARP: questions for an address; failover: from a lost leader's last sign of",
    "life to the announcement here.",
)

_EVENTS: Final = 6  # lines
_PROBLEMS: Final = 3
_FEWEST: Final = 3  # rows of a pane
_KEYS: Final = "? help  q quit  e explain  w what-if  d drain  u undrain  p problems  / filter"

_COLUMNS: Final[Mapping[Pane, Sequence[tuple[str, str]]]] = {
    "addresses": (
        ("address", "address"),
        ("service", "service"),
        ("leader", "leader"),
        ("since", "since"),
        ("here", "here"),
        ("packets", "packets/s"),
        ("connections", "conns"),
        ("requests", "ARP"),
        ("failover", "failover"),
        ("notes", "notes"),
    ),
    "nodes": (
        ("node", "node"),
        ("address", "address"),
        ("verdict", "verdict"),
        ("since", "since"),
        ("leads", "leads"),
        ("evidence", "evidence"),
    ),
}
_RIGHT: Final = frozenset({"packets", "connections", "requests", "failover", "leads"})


def draw(model: Model, width: int, height: int, now: float) -> list[Text]:
    """Return at most `height` lines of at most `width` cells; `now` is monotonic seconds."""
    top = [_header(model, now), *_problems(model)]
    if model.page is not None:
        title, lines = model.page
        body = [Text(title, "bold"), *_wrapped(lines[model.page_at :], width)]
        bottom = [Text("up down: scroll   any other key: back", "dim")]
    else:
        bottom = [*_events(model, height), _footer(model)]
        body = _panes(model, width, height - len(top) - len(bottom))
    room = max(0, height - len(top) - len(bottom))
    lines_ = [*top, *body[:room], *(Text() for _ in range(room - len(body))), *bottom]
    for line in lines_[:height]:
        line.truncate(width, overflow="ellipsis")
        line.no_wrap = True
    return lines_[:height]


def _header(model: Model, now: float) -> Text:
    status = model.status
    line = Text("roost top  ", "bold")
    if status:
        line.append(f"{clean(status['node'])}  ", "bold")
    if model.lost_at is not None:
        what = "what follows is old" if status else clean(model.error)
        line.append(f"✗ no speaker answers for {now - model.lost_at:.0f} s, trying again: {what}", "bold red")
    elif not status:
        line.append("asking the speaker", "dim")
    else:
        line.append("● live", "green")
        addresses = sum(len(each["addresses"]) for each in status["services"])
        packets = "" if model.packets is None else f"  {model.packets:.0f} packets/s here"
        line.append(
            f"  {len(status['members'])} nodes  {addresses} addresses{packets}"
            f"  up {age(status['started_at'])}  profile {clean(status['profile'])}"
            f"  roost {clean(status['version'])}"
        )
    return line


def _wrapped(lines: Sequence[str], width: int) -> Iterator[Text]:
    """Yield lines that go on below themselves: on a page nothing is cut."""
    for line in lines:
        parts = wrap(clean(line), max(20, width - 1), subsequent_indent=" " * 13, drop_whitespace=False)
        yield from map(Text, parts or [""])


def _problems(model: Model) -> list[Text]:
    found = model.status.get("problems", ())
    if model.status and not found and model.lost_at is None:
        return [Text("no problems", "green")]
    lines = [
        Text(
            f"{sign(each['severity'])} {each['severity']:8}  {clean(each['kind'])}: {clean(each['text'])}",
            COLOURS[each["severity"]],
        )
        for each in found[:_PROBLEMS]
    ]
    if len(found) > _PROBLEMS:
        lines.append(Text(f"  and {len(found) - _PROBLEMS} more: p", "dim"))
    return lines


def _panes(model: Model, width: int, room: int) -> list[Text]:
    nodes, addresses = model.rows("nodes"), model.rows("addresses")
    for_nodes = max(_FEWEST, min(len(nodes), room // 3)) + 2
    for_addresses = max(_FEWEST, room - for_nodes - 1)
    return [
        *_pane(model, "nodes", nodes, width, for_nodes),
        Text(),
        *_pane(model, "addresses", addresses, width, for_addresses),
    ]


def _pane(model: Model, pane: Pane, rows: Sequence[Row], width: int, room: int) -> list[Text]:
    """Return a title, the headers, and the rows around the cursor."""
    active = pane == model.pane
    order = SORTS[pane][model.sort[pane]] + (" reversed" if model.reverse[pane] else "")
    title = Text(f"{'▸' if active else ' '} {pane} {len(rows)}", "bold cyan" if active else "bold")
    title.append(f"  by {order}", "dim")
    if model.filter:
        title.append(f"  only {clean(model.filter)}", "yellow")
    shown = max(1, room - 2)
    cursor = min(model.cursor[pane], max(0, len(rows) - 1))
    first = max(0, min(cursor - shown // 2, len(rows) - shown))
    part = rows[first : first + shown]
    columns = [(name, header) for name, header in _COLUMNS[pane] if name != "notes" or _has(rows, name)]
    cells = [[_cell(name, row.values) for name, _ in columns] for row in part]
    widths = [
        max([cell_len(header), *(cell_len(line[at]) for line in cells)])
        for at, (_, header) in enumerate(columns)
    ]
    lines = [title, Text("  " + _joined([header for _, header in columns], columns, widths), "bold")]
    for at, (row, line) in enumerate(zip(part, cells, strict=True), first):
        chosen = active and at == cursor
        text = Text(("> " if chosen else "  ") + _joined(line, columns, widths), _style(pane, row))
        if chosen:
            text.stylize("reverse")
            text.pad_right(max(0, width - text.cell_len))
        lines.append(text)
    return lines


def _has(rows: Sequence[Row], name: str) -> bool:
    return any(row.values[name] is not None for row in rows)


def _joined(cells: Sequence[str], columns: Sequence[tuple[str, str]], widths: Sequence[int]) -> str:
    padded = [
        " " * (width - cell_len(cell)) + cell if name in _RIGHT else set_cell_size(cell, width)
        for cell, (name, _), width in zip(cells, columns, widths, strict=True)
    ]
    return "  ".join(padded).rstrip()


def _cell(name: str, values: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one for each kind of column
    value = values[name]
    if name == "leader" and value is None:
        return "✗ nobody"
    if name == "leader" and (others := values.get("sharers", 1) - 1) > 0:
        return f"{clean(value)} +{others}"
    if name == "here":
        return "● yes" if value else ""
    if value is None:
        return "-"
    if name == "since":
        return age(value)
    if name == "packets":
        return f"{value:.0f}"
    if name == "failover":
        return f"{value:.0f} ms"
    if name == "verdict":
        return f"{sign(value)} {value}"
    return clean(value)


def _style(pane: Pane, row: Row) -> str:
    if pane == "addresses":
        return "bold red" if row.values["leader"] is None else ""
    colour = COLOURS.get(row.values["verdict"], "red")
    return "" if colour == "green" else colour


def _events(model: Model, height: int) -> list[Text]:
    room = max(1, min(_EVENTS, height // 6))
    lines = [Text(f"  events {len(model.events)}", "bold")]
    for event in list(model.events)[-room:]:
        facts = " ".join(f"{name}={value}" for name, value in event["facts"].items() if value is not None)
        colour = {"warning": "yellow", "error": "red"}.get(event["level"], "")
        lines.append(Text(f"  {clean(event['time'])[11:23]}  {clean(event['text'])}  {clean(facts)}", colour))
    return lines


def _footer(model: Model) -> Text:
    if model.question is not None:
        return Text(f"{clean(model.question[0])}  y / n", "bold yellow")
    if model.typing:
        return Text(f"/{clean(model.filter)}▏ enter keeps it, esc clears", "yellow")
    if model.message:
        return Text(clean(model.message), "yellow")
    return Text(_KEYS, "dim")
