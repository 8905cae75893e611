"""Files that commands write for their users."""

from pathlib import Path

from roost.cli.exits import Exit, Failure

__all__ = ["write"]


def write(path: Path, text: str) -> None:
    """Write a file; raises Failure, which says what is in the way."""
    try:
        path.write_text(text)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}", Exit.CANNOT_RUN) from error
