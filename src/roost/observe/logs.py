"""Structured logs on stderr: one line per event, for people or as JSON.

Modules log through the standard library (`logging.getLogger("roost.x")`) and attach facts with
`extra={"address": ...}`; both formats show every attached fact.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal

from roost.observe.moment import rfc3339

__all__ = ["LEVELS", "configure"]

LEVELS: Final = ("debug", "info", "warning", "error")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(level: str, style: Literal["human", "json"]) -> None:
    """Send all `roost` logs of at least `level` to stderr in the given style."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if style == "json" else _HumanFormatter())
    logger = logging.getLogger("roost")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    logging.getLogger("asyncio").handlers[:] = [handler]


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    return rfc3339(datetime.fromtimestamp(record.created, UTC))


class _HumanFormatter(logging.Formatter):
    """`time level message key=value ...`, with values quoted where they hold spaces."""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {key}={_plain(value)}" for key, value in _facts(record).items())
        line = f"{_time(record)} {record.levelname.lower():<7} {record.getMessage()}{facts}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class _JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, then the attached facts."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        } | _facts(record)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _plain(value: object) -> str:
    text = "none" if value is None else str(value)
    plain = text.isprintable() and not any(character in ' "' for character in text)
    return text if text and plain else json.dumps(text)
