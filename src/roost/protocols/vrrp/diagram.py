"""The machine's table as a diagram, so that the documentation cannot differ from it."""

from roost.protocols.vrrp.table import TABLE, State

__all__ = ["diagram"]


def diagram() -> str:
    """Return the state diagram in Mermaid's language (https://mermaid.js.org, stateDiagram-v2)."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.INITIALIZE.value}"]
    for (before, occasion), (acts, after) in TABLE.items():
        done = "; ".join(act.value for act in acts) or "nothing"
        # A colon begins a label, a semicolon ends a statement: neither may be in one.
        label = f"{occasion.value} / {done}".replace(";", ",").replace(":", " -")
        lines.append(f"    {before.value} --> {after.value}: {label}")
    return "\n".join(lines) + "\n"
