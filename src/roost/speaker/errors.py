"""Why a speaker cannot run on this machine."""

__all__ = ["CannotRunError"]


class CannotRunError(Exception):
    """A right, a port or a path is missing; the text is one line that names it and the cure."""
