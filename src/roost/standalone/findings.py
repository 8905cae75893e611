"""What the schema says about a document, in the words and places of the file."""

from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from roost.standalone.document import Document, Found, Path
from roost.standalone.problems import Finding
from roost.standalone.schema import FileSection, keys_at

__all__ = ["read_sections"]

_SHAPES = {
    "list_type": Finding("is not a list", "write [one] or [one, two]"),
    "dict_type": Finding("is not a mapping", "write {key: value}, or key: value on lines of their own"),
    "model_type": Finding("is not a mapping", "write {key: value}, or key: value on lines of their own"),
}


def read_sections(document: Document) -> tuple[FileSection | None, list[Found]]:
    """Return the file's sections, or None and everything that the schema finds."""
    try:
        return FileSection.model_validate(document.root.plain()), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, list(_located(document, details))


def _located(document: Document, details: list[ErrorDetails]) -> Iterator[Found]:
    for detail in details:
        path, spot = document.find(detail["loc"])
        node = document.get(path)
        if node is not None and node.value is None:
            continue  # the document has reported that it has no value
        if detail["type"] == "extra_forbidden":
            yield path, document.key_spot(path), _unknown(path)
        else:
            yield path, spot, _finding(detail)


def _finding(detail: ErrorDetails) -> Finding:
    kind = detail["type"]
    if kind == "wrong":
        return Finding(detail["ctx"]["cause"], detail["ctx"]["cure"])
    if kind == "missing":
        return Finding("is missing", "add it")
    return _SHAPES.get(kind) or Finding(detail["msg"], "see docs/reference/configuration.md")


def _unknown(path: Path) -> Finding:
    known = keys_at(path[:-1])
    lower = {key.lower(): key for key in known}
    close = get_close_matches(str(path[-1]).lower(), lower, n=1)
    if close:
        return Finding("is not a known key", f"did you mean {lower[close[0]]}?")
    return Finding("is not a known key", f"known here: {', '.join(known)}")
