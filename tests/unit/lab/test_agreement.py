"""Only whom all speakers name, and who alone answers, is agreed on."""

from pathlib import Path
from typing import Any

import pytest

from roost.lab import agreement

VIP = "192.0.2.200"
SOCKETS = {name: Path(f"/{name}.sock") for name in ("n1", "n2", "n3")}


def status(
    leader: str | None, *, answering: bool = False, settled: bool = True, alive: int = 3
) -> dict[str, Any]:
    members = [{"verdict": "alive" if at < alive else "dead"} for at in range(3)]
    service = {"addresses": [VIP], "leader": leader, "answering": answering}
    return {"settled": settled, "members": members, "services": [service]}


N1_LEADS = [status("n1", answering=True), status("n1"), status("n1")]


@pytest.mark.parametrize(
    ("said", "leader"),
    [
        (N1_LEADS, "n1"),
        ([status("n1", answering=True), status("n3"), status("n3")], ""),  # it answers, the hash says another
        ([status("n1"), status("n1"), status("n1")], ""),  # nobody answers yet
        ([status("n1", answering=True), status("n1", answering=True), status("n1")], ""),
        ([status(None), status(None), status(None)], ""),
        ([*N1_LEADS[:2], status("n1", settled=False)], ""),
        ([*N1_LEADS[:2], status("n1", alive=2)], ""),
        ([*N1_LEADS[:2], status("n1") | {"services": []}], ""),
        ([*N1_LEADS[:2], None], ""),
    ],
)
def test_a_leader_is_agreed_on(monkeypatch: pytest.MonkeyPatch, said: list[Any], leader: str) -> None:
    def get(path: Path, *_: object, **__: object) -> tuple[int, Any]:
        answer = said[int(path.stem[1:]) - 1]
        if answer is None:
            raise ConnectionRefusedError
        return 200, answer

    monkeypatch.setattr(agreement, "get", get)
    assert agreement.agreed_leader(SOCKETS, VIP) == leader
