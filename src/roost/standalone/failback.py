"""The key `failback` of a service: what it may be, and where it has no say."""

from collections.abc import Iterator

from roost.model.tenure import ALWAYS, LONGEST, failback_of
from roost.standalone import values
from roost.standalone.document import Document, Node, Path
from roost.standalone.problems import Finding, Spot

__all__ = ["failback_seconds", "idle_failback"]

Found = tuple[Path, Spot, Finding]


def failback_seconds(value: object) -> float:
    """Return `always`, `never` or a duration as seconds: 0, infinitely many, or so many."""
    if not isinstance(value, str):
        return values.duration(ALWAYS, LONGEST)(value)
    seconds = failback_of(value)
    if seconds is None:
        shown = repr(value[:60])
        raise values.wrong(
            f"{shown} is neither always, never nor a duration up to a day", "write never, or such as 30s"
        )
    return seconds


def idle_failback(document: Document) -> Iterator[Found]:
    """Yield where `failback` is given and does nothing: no node leads a shared service."""
    services = document.get(("services",))
    for at, service in enumerate(services.value if services is not None else ()):
        if _is_idle(service):
            where: Path = ("services", at, "failback")
            cause = "has no effect beside sharing: no single node leads a shared service"
            yield where, document.key_spot(where), Finding(cause, "remove one of the two")


def _is_idle(service: Node) -> bool:
    given, sharing = service.value.get("failback"), service.value.get("sharing")
    return (
        given is not None
        and failback_seconds(given.value) != ALWAYS
        and sharing is not None
        and sharing.value != "leader"
    )
