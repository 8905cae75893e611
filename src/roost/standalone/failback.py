"""The key `failback` of a service: what it may be, and where it has no say."""

from collections.abc import Iterator

from roost.model.tenure import ALWAYS, LONGEST, failback_of
from roost.standalone import values
from roost.standalone.document import Document, Found, Node, Path
from roost.standalone.problems import Finding
from roost.standalone.shape import choices, reads

__all__ = ["failback_seconds", "idle_failback"]


@reads(choices({"enum": ["always", "never"]}, values.duration(ALWAYS, LONGEST).shape({})))
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
    """Yield where `failback` is given and does nothing: who shares by client has no leader, VRRP its own."""
    services = document.get(("services",))
    for at, service in enumerate(services.value if services is not None else ()):
        given, sharing, election = (service.value.get(key) for key in ("failback", "sharing", "election"))
        if given is None or failback_seconds(given.value) == ALWAYS:
            continue
        where: Path = ("services", at, "failback")
        if sharing is not None and sharing.value != "leader" and not _is_by_connection(sharing):
            cause = "has no effect beside sharing: no single node leads a shared service"
            yield where, document.key_spot(where), Finding(cause, "remove one of the two")
        if election is not None and isinstance(election.value, dict) and election.value.get("vrrp"):
            cause = "has no effect beside election: vrrp"
            yield where, document.key_spot(where), Finding(cause, "set election.vrrp.preempt instead")


def _is_by_connection(sharing: Node) -> bool:
    """Tell whether one node leads, and passes connections to all."""
    by = sharing.value.get("by") if isinstance(sharing.value, dict) else None
    return by is not None and by.value == "connection"
