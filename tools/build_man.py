"""Write pages for man(1), one for `roost` and one for each command, from what `--help` says.

`python tools/build_man.py FOLDER`: writes roost.1 and roost-COMMAND.1. Where SOURCE_DATE_EPOCH is set it is
their date, so that the same bytes come out on every machine.
"""

import inspect
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from roost import __version__
from roost.cli import main

__all__ = ["pages"]

_CODES: Final = re.compile(r"^Exit codes:\s*", re.MULTILINE)
_FILES: Final = (
    ("/etc/roost/roost.yaml", "the configuration that the systemd unit reads"),
    ("/run/roost", "the sockets of the speakers of this host"),
)


def pages(day: datetime) -> dict[str, str]:
    """Return every page by its file's name, in troff's macros of man(7)."""
    root = click.Context(main, info_name="roost", help_option_names=["-h", "--help"])
    made = {"roost.1": "".join(_overview(root, day))}
    for name, command in _commands(root):
        context = click.Context(command, info_name=name, parent=root)
        made[f"roost-{name}.1"] = "".join(_page(context, day))
    return made


def _commands(root: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in main.list_commands(root):
        if command := main.get_command(root, name):
            yield name, command


def _overview(context: click.Context, day: datetime) -> Iterator[str]:
    yield from _head("roost", "layer-2 load balancer", day)
    yield from _usage(context)
    yield from _described(context.command)
    yield ".SH COMMANDS\n"
    for name, command in _commands(context):
        yield f".TP\n.BR roost-{_text(name)} (1)\n{_line(command.get_short_help_str(300))}\n"
    yield from _options(context)
    yield ".SH FILES\n"
    for path, what in _FILES:
        yield f".TP\n.I {path}\n{what}\n"


def _page(context: click.Context, day: datetime) -> Iterator[str]:
    name = context.command_path.replace(" ", "-")
    yield from _head(name, context.command.get_short_help_str(300).rstrip("."), day)
    yield from _usage(context)
    yield from _described(context.command)
    yield from _options(context)
    yield ".SH SEE ALSO\n.BR roost (1)\n"


def _head(name: str, what: str, day: datetime) -> Iterator[str]:
    yield f'.TH {_text(name.upper())} 1 {day:%Y-%m-%d} "roost {__version__}" "User commands"\n'
    yield f".SH NAME\n{_text(name)} \\- {_text(what)}\n"


def _usage(context: click.Context) -> Iterator[str]:
    pieces = " ".join(context.command.collect_usage_pieces(context))
    yield f".SH SYNOPSIS\n.B {_text(context.command_path)}\n{_line(pieces)}\n"


def _described(command: click.Command) -> Iterator[str]:
    """Yield the help's paragraphs; the one of exit codes has a section of its own, as in other pages."""
    text, codes = _split(inspect.cleandoc(command.help or "").partition("\f")[0])
    yield ".SH DESCRIPTION\n"
    yield from _paragraphs(text)
    if codes:
        yield ".SH EXIT STATUS\n"
        yield from _paragraphs(codes)


def _split(text: str) -> tuple[str, str]:
    found = _CODES.search(text)
    if found is None:
        return text, ""
    codes, _, rest = text[found.end() :].partition("\n\n")
    return f"{text[: found.start()].rstrip()}\n\n{rest}".rstrip(), codes


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in filter(None, re.split(r"\n\s*\n", text.strip())):
        first, _, rest = paragraph.partition("\n")
        yield ".PP\n"
        if first.strip() == "\b":  # click's mark: lines as they are
            yield ".nf\n" + "".join(f"{_line(line)}\n" for line in rest.splitlines()) + ".fi\n"
        else:
            yield f"{_line(' '.join(paragraph.split()))}\n"


def _options(context: click.Context) -> Iterator[str]:
    yield ".SH OPTIONS\n"
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1]:  # arguments are in the synopsis and the description
            yield f".TP\n.B {_text(record[0])}\n{_line(record[1])}\n"


def _text(text: str) -> str:
    """Return text that troff takes literally, its hyphens for the keyboard."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")


def _line(text: str) -> str:
    """Return a whole line: a dot at its start would be a request."""
    line = _text(text)
    return f"\\&{line}" if line.startswith(".") else line


def _write(folder: Path) -> None:
    stamp = os.environ.get("SOURCE_DATE_EPOCH")
    day = datetime.fromtimestamp(float(stamp), UTC) if stamp else datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(day).items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
