"""Write the JSON schemas of the configuration file and of `roost status --json` into src/roost/cli/schemas.

usage: tools/build_schema.py [FOLDER]

They are made from the types that read the one and that the type checker holds the other to; what a key means
is taken from docs/reference. A key of the file without a meaning is an error.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from roost.model.node import Verdict
from roost.speaker.problem_kinds import Severity
from roost.speaker.status_types import StatusView
from roost.standalone.schema import FileSection
from roost.standalone.shape import Reader

_ROOT = Path(__file__).parents[1]
_DIALECT = "http://json-schema.org/draft-07/schema#"  # what editors' YAML servers know
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
_MOMENTS = ("since", "started_at", "loaded_at", "last_advert")
_WORDS = {"severity": Severity, "verdict": Verdict}


def _main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _ROOT / "src" / "roost" / "cli" / "schemas"
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in (("configuration", _configuration()), ("status", _status())):
        (folder / f"{name}.json").write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


def _configuration() -> dict[str, Any]:
    made = FileSection.model_json_schema(schema_generator=_OfReaders)
    meanings = {
        (owner.replace("[]", ""), key): text for owner, key, text in _tables(_page("configuration.md"))
    }
    return _finished(made, "Configuration of a Roost speaker", lambda *where: _meaning(meanings, *where))


def _status() -> dict[str, Any]:
    sections: dict[str, Any] = {}
    made = _shape(StatusView, sections)
    made = sections.pop(made["$ref"].rpartition("/")[2]) | {"$defs": sections}
    for section in (made, *made["$defs"].values()):
        for key, value in section["properties"].items():
            if key in _MOMENTS:
                value["format"] = "date-time"
            elif key in _WORDS:
                value["enum"] = [each.value for each in _WORDS[key]]
    fields = _page("status.md").partition("## Fields of the status")[2]
    known = {key: text for _, keys, text in _tables(fields) for key in re.findall(r"[\w.\[\]]+", keys)}
    return _finished(made, "What roost status --json prints", lambda path, key: known.get(f"{path}{key}", ""))


def _shape(kind: Any, sections: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type of the status, after adding those of its mappings to `sections`."""
    if is_typeddict(kind):
        fields = {key: _shape(each, sections) for key, each in get_type_hints(kind).items()}
        made = {"type": "object", "description": kind.__doc__, "properties": fields, "required": [*fields]}
        sections[kind.__name__] = made  # later versions may add fields, so others are allowed
        return {"$ref": f"#/$defs/{kind.__name__}"}
    of = [_shape(each, sections) for each in get_args(kind)]
    if get_origin(kind) is UnionType:
        return {"anyOf": of}
    if get_origin(kind) is list:
        return {"type": "array", "items": of[0]}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": of[1]}
    return {"type": _PLAIN[kind]}


class _OfReaders(GenerateJsonSchema):
    """What pydantic makes, with each reader's own shape; the file has no null."""

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> dict[str, Any]:
        return _reader(schema).shape({})

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> dict[str, Any]:
        return _reader(schema).shape(self.generate_inner(schema["schema"]))

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> dict[str, Any]:
        inner = self.generate_inner(schema["schema"])
        # A section that looks at itself as a whole says so in its model_config.
        return inner if schema["schema"]["type"] == "model" else _reader(schema).shape(inner)

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])


def _reader(schema: Any) -> Reader[Any]:
    function = schema["function"]["function"]
    if not isinstance(function, Reader):
        raise SystemExit(f"{function} reads a value of the file, and nothing says of which shape")
    return function


def _finished(made: dict[str, Any], title: str, told: Any) -> dict[str, Any]:
    """Return a schema with a title and the meaning of each key that `told` knows."""
    _describe(made, made["$defs"], "", told)
    for section in made["$defs"].values():
        section.pop("title", None)
    return {"$schema": _DIALECT, **made, "title": title}


def _describe(section: dict[str, Any], sections: dict[str, Any], path: str, told: Any) -> None:
    for key, value in section["properties"].items():
        value.pop("title", None)
        for name, many in _references(value):
            _describe(sections[name], sections, f"{path}{key}{'[]' if many else ''}.", told)
        if "$ref" in value:
            value["allOf"] = [{"$ref": value.pop("$ref")}]  # what stands beside a $ref does not count
        if text := told(path, key):
            value["description"] = text


def _references(value: Any, *, many: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield the sections that a value may be, and whether it is a list of them."""
    if isinstance(value, list):
        for each in value:
            yield from _references(each, many=many)
    elif isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2], many
        for key, each in value.items():
            yield from _references(each, many=many or key == "items")


def _meaning(meanings: dict[tuple[str, str], str], path: str, key: str) -> str:
    """Return what a key of the file means: its own table says so, or that of the mapping above or below."""
    owner = path.removesuffix(".").replace("[]", "")
    above = owner.rpartition(".")[0]
    for where in (owner, f"{owner}.{key}", above):
        if text := meanings.get((where, key)):
            return text
    raise SystemExit(f"docs/reference/configuration.md does not say what {path}{key} means")


def _page(name: str) -> str:
    return (_ROOT / "docs" / "reference" / name).read_text("utf-8")


def _tables(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield from each row of all tables: whose keys they are, the key, its meaning with its default."""
    owners, columns = [""], list[str]()
    for line in text.splitlines():
        cells = [_plain(each) for each in re.split(r"(?<!\\)\|", line)[1:-1]]
        if line.startswith("| ") and not columns:
            columns = cells
        elif line.startswith("| "):
            row = dict(zip(columns, cells, strict=True))
            default = row.get("default", "")
            note = f" (default: {default})" if default and default != "required" else ""
            for owner in owners:
                yield owner, cells[0], f"{row.get('meaning', cells[-1])}{note}"
        elif not line.startswith("|"):
            columns = []
            named = re.findall(r"`([a-z][A-Za-z.\[\]]*)`", line)
            if line.startswith("#"):
                owners = named or [""]
            elif named and line.endswith(":"):
                owners = named


def _plain(cell: str) -> str:
    """Return a cell without its markup."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell).replace("`", "").strip()


if __name__ == "__main__":
    _main()
