"""The machine's table in Markdown, so that the documentation cannot differ from it."""

from roost.protocols.vrrp.table import TABLE

__all__ = ["transitions"]


def transitions() -> str:
    """Return a row for each state and occasion: what is done, and the state that follows."""
    lines = ["| state | when | it does | then it is |", "|---|---|---|---|"]
    for (before, occasion), (acts, after) in TABLE.items():
        done = "; ".join(act.value for act in acts) or "nothing"
        lines.append(f"| {before.value} | {occasion.value} | {done} | {after.value} |")
    return "\n".join(lines) + "\n"
