"""What a good file lets others do is a warning, and what does nothing: open keys, open pages, idle rates."""

from pathlib import Path

import pytest

from roost.standalone import load

KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="


def warnings(path: Path, text: str, mode: int = 0o600) -> list[tuple[str, str, str]]:
    path.write_text(text)
    path.chmod(mode)
    loaded = load(path)
    assert loaded.config is not None, loaded.problems
    assert all(each.severity == "warning" for each in loaded.problems)
    return [(each.field, each.cause, each.cure) for each in loaded.problems]


@pytest.mark.parametrize(
    ("mode", "cause"),
    [
        (0o600, ""),
        (0o640, ""),  # the group of the speaker's user
        (0o644, "everybody on this host may read it (mode 0644)"),
        (0o660, "its group may replace it (mode 0660)"),
        (0o646, "everybody on this host may replace it (mode 0646)"),
    ],
)
def test_the_mode_of_a_key_file(tmp_path: Path, mode: int, cause: str) -> None:
    key = tmp_path / "gossip.key"
    key.write_text(KEY)
    key.chmod(mode)
    text = "membership: {bind: '192.0.2.11:7946', keyFile: gossip.key}\n"
    found = warnings(tmp_path / "roost.yaml", text)
    assert [(field, why) for field, why, _ in found] == ([("membership.keyFile", cause)] if cause else [])
    assert all(cure == f"chmod o-rwx,g-w {key}" for _, _, cure in found)


def test_a_key_in_a_file_that_all_may_read(tmp_path: Path) -> None:
    text = f"membership: {{bind: '192.0.2.11:7946', key: {KEY}}}\n"
    assert warnings(tmp_path / "roost.yaml", text) == []
    ((field, cause, cure),) = warnings(tmp_path / "roost.yaml", text, 0o644)
    assert (field, cause) == ("membership.key", "everybody on this host may read this file (mode 0644)")
    assert "or use keyFile" in cure
    assert KEY not in cause + cure


@pytest.mark.parametrize(
    ("profile", "idle"), [("lan", True), ("wan", True), ("default", False), ("fast", False)]
)
def test_a_rate_that_nothing_keeps(tmp_path: Path, profile: str, idle: bool) -> None:
    text = f"membership: {{bind: '192.0.2.11:7946', profile: {profile}, arpRate: 10}}\n"
    found = warnings(tmp_path / "roost.yaml", text)
    assert [field for field, _, _ in found] == ["membership.arpRate"] * idle


@pytest.mark.parametrize(("http", "open_"), [("127.0.0.1:1", False), ("0.0.0.0:1", True), ("'[::]:1'", True)])
def test_a_status_page_on_all_addresses(tmp_path: Path, http: str, open_: bool) -> None:
    found = warnings(tmp_path / "roost.yaml", f"status: {{http: {http}}}\n", 0o644)
    assert [field for field, _, _ in found] == ["status.http"] * open_
