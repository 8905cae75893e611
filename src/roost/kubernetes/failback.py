"""The annotation of a Service that keeps its addresses where they are. Pure."""

from collections.abc import Mapping

from roost.kubernetes.resources import FAILBACK_ANNOTATION
from roost.model.tenure import failback_of

__all__ = ["service_failback", "why_no_failback"]


def service_failback(annotations: Mapping[str, str], default: float) -> float:
    """Return the failback of a Service in seconds; `default` where it says nothing, or nothing good."""
    found = failback_of(annotations.get(FAILBACK_ANNOTATION, ""))
    return default if found is None else found


def why_no_failback(annotations: Mapping[str, str]) -> str:
    """Return what is wrong with the annotation, with the cure, or ""."""
    wanted = annotations.get(FAILBACK_ANNOTATION)
    if wanted is None or failback_of(wanted) is not None:
        return ""
    return (
        f"{FAILBACK_ANNOTATION}: {wanted[:60]!r} is neither always, never nor a duration up to a day such as "
        "30s; the default of the speakers is taken"
    )
