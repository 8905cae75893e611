"""How times are written for people and programs."""

from datetime import datetime

__all__ = ["rfc3339"]


def rfc3339(moment: datetime) -> str:
    """Return a UTC time as RFC 3339 text with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
