"""Serial numbers of a node's words, by which peers know which is the later one. Pure."""

__all__ = ["next_serial"]


def next_serial(last: int, now: float) -> int:
    """Return the number after `last`; `now` (seconds) lets it grow over restarts of the process, too."""
    return max(last + 1, int(now * 1000))
