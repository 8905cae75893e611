"""What the lab's page takes for orders, and what it makes of many lanes."""

from types import SimpleNamespace
from typing import Any

import pytest

from roost.lab.web import ACTS, _together, _why_not


def node(*faults: str, runs: bool = True) -> Any:
    return SimpleNamespace(name="n1", faults=dict.fromkeys(faults), runs=runs)


@pytest.mark.parametrize(
    ("act", "state", "why"),
    [
        ("cut", node("cut"), "n1 is cut already"),
        ("heal", node(), "n1 is not cut"),
        ("freeze", node("frozen"), "n1 is frozen already"),
        ("thaw", node(), "n1 is not frozen"),
        ("kill", node("killed", runs=False), "its speaker does not run"),
        ("stop", node("frozen"), "its speaker is frozen, and hears nothing"),
        ("start", node(), "its speaker still runs"),
        ("drain", node("draining"), "n1 is draining already"),
        ("undrain", node(), "n1 is not draining"),
        ("cut", node("frozen"), ""),
        ("heal", node("cut", "killed", runs=False), ""),
        ("kill", node("frozen", "cut"), ""),
        ("start", node("stopped", runs=False), ""),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(act: str, state: Any, why: str) -> None:
    assert act in ACTS
    assert _why_not(act, state) == why


def test_many_lanes_are_shares_of_who_answers() -> None:
    seen = {f"v{at}": ("n1" if at < 6 else "n2", 50, 50) for at in range(9)} | {"v9": ("", 0, 50)}
    assert _together(seen) == {
        "n1": ["n1", 300, 300, 6],
        "n2": ["n2", 150, 150, 3],
        "nobody": ["", 0, 50, 1],
    }
