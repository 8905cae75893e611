"""Texts from the network, made fit for a line that people read."""

__all__ = ["printable"]


def printable(text: str, limit: int | None = None) -> str:
    """Return `text` on one line without control characters, cut to `limit` characters."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return clean if limit is None or len(clean) <= limit else clean[: limit - 1] + "…"
