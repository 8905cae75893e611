"""The schemas that come with Roost, as judges of what it reads and prints."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

__all__ = ["configurations", "problems_of_status"]

FOLDER = Path(__file__).parents[1] / "src" / "roost" / "cli" / "schemas"


@cache
def configurations() -> Draft7Validator:
    return _judge(json.loads((FOLDER / "configuration.json").read_text()))


@cache
def _statuses() -> Draft7Validator:
    """Return the schema without its room for later fields: what is printed now has no others."""
    schema = json.loads((FOLDER / "status.json").read_text())
    for section in (schema, *schema["$defs"].values()):
        section["additionalProperties"] = False
    return _judge(schema)


def problems_of_status(status: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in _statuses().iter_errors(status)]


def _judge(schema: Any) -> Draft7Validator:
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)
