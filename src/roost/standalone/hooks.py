"""`hooks`: programs that are called when a service has another role on this node."""

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, Field, PlainValidator

from roost.model.hook import Hook
from roost.model.role import Role
from roost.runtime import paths
from roost.standalone import values
from roost.standalone.document import Document, Found
from roost.standalone.document import Path as FieldPath
from roost.standalone.problems import Finding
from roost.standalone.section import Section
from roost.standalone.shape import not_empty, widens

__all__ = ["HookSection", "doubts", "hook_of", "strangers"]

_LONGEST: Final = 3600.0  # seconds
_ROLES: Final = tuple(role.value for role in Role)

_Role = Annotated[str, PlainValidator(values.choice(*_ROLES))]


@widens(not_empty)
def _some(value: Any) -> Any:
    if not value:
        raise values.wrong("is empty, so nothing would ever be called", "add an entry, or remove the key")
    return value


class HookSection(Section):
    """One program, and what it is called for."""

    run: Annotated[tuple[str, ...], PlainValidator(values.command)]
    on: Annotated[list[_Role], AfterValidator(_some)] = Field(default_factory=lambda: [*_ROLES])
    services: Annotated[
        list[Annotated[str, PlainValidator(values.identifier)]] | None, AfterValidator(_some)
    ] = None
    timeout: Annotated[float, PlainValidator(values.duration(0.01, _LONGEST))] = 10.0
    arguments: Annotated[str, PlainValidator(values.choice("roost", "keepalived", "none"))] = "roost"


def hook_of(section: HookSection) -> Hook:
    """Return what one entry asks for."""
    return Hook(
        run=section.run,
        on=frozenset(map(Role, section.on)),
        services=None if section.services is None else frozenset(section.services),
        timeout=section.timeout,
        arguments=cast("Literal['roost', 'keepalived', 'none']", section.arguments),
    )


def strangers(document: Document) -> Iterator[Found]:
    """Yield each service of a hook that is none of the file."""
    listed = document.get(("services",))
    known: set[object] = set()
    for at in range(len(listed.value) if listed and isinstance(listed.value, list) else 0):
        name = document.get(("services", at, "name"))
        known.add(name.value if name and isinstance(name.value, str) else None)
    hooks = document.get(("hooks",))
    for at in range(len(hooks.value) if hooks and isinstance(hooks.value, list) else 0):
        services = document.get(("hooks", at, "services"))
        for number, each in enumerate(
            services.value if services and isinstance(services.value, list) else ()
        ):
            if isinstance(each.value, str) and each.value not in known:
                finding = Finding(f"{each.value} is no service of this file", "correct it, or remove it")
                yield ("hooks", at, "services", number), each.spot, finding


def doubts(document: Document, hooks: Sequence[Hook]) -> Iterator[Found]:
    """Yield programs that cannot be run on this host, or that others than the speaker's user may replace."""
    for at, hook in enumerate(hooks):
        where: FieldPath = ("hooks", at, "run")
        node = document.get(where)
        if node is not None and (finding := _doubt(hook.run[0])):
            yield where, node.spot, finding


def _doubt(program: str) -> Finding | None:
    path = shutil.which(program)
    if path is None:
        what = "is not executable" if paths.exists(program) else "does not exist"
        cure = f"chmod +x {program}" if paths.exists(program) else "install it or correct the path"
        return Finding(f"{program} {what} here: no call would succeed", cure)
    for each in (Path(path), *Path(path).parents):
        if who := _writers(each):
            cause = f"{each} may be written by {who}, and the program runs as the speaker's user"
            return Finding(cause, f"chmod o-w,g-w {each}" if "owner" not in who else f"chown root {each}")
    return None


def _writers(path: Path) -> str:
    """Return who else than the speaker's user may put another program here; "" for nobody."""
    try:
        status = path.stat()
    except OSError:
        return ""
    if path.is_dir() and status.st_mode & stat.S_ISVTX:
        return ""
    if status.st_mode & stat.S_IWOTH:
        return "everybody on this host"
    if status.st_mode & stat.S_IWGRP and status.st_gid != 0:
        return "its group"
    return f"its owner (user {status.st_uid})" if status.st_uid not in (0, os.geteuid()) else ""
