"""Conversions of texts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from roost.keepalived import Conversion, FilesOnDisk, Wishes, convert


def made(
    folder: Path,
    text: str,
    *,
    node: str = "",
    election: Literal["hash", "vrrp"] = "vrrp",
    environment: Mapping[str, str] | None = None,
) -> Conversion:
    """Convert `text` as keepalived.conf in `folder`."""
    (folder / "keepalived.conf").write_text(text)
    wishes = Wishes(node, election, bind="192.0.2.11" if election == "hash" else "")
    return convert(folder / "keepalived.conf", FilesOnDisk(), wishes, environment or {}, "host.example.net")


def plain(conversion: Conversion) -> Any:
    """Return the result as data; `on` is a text there, as Roost reads it."""
    return yaml.load(conversion.text, Loader=yaml.BaseLoader)


def told(conversion: Conversion, kind: str = "lost") -> list[tuple[int, str]]:
    """Return line and text of each remark of one kind."""
    return [(each.place.line, each.what) for each in conversion.of_kind(kind)]
