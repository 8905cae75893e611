"""What a process left for the next one: whatever is in the file, it costs a line in the log at most."""

from pathlib import Path

import pytest

from roost.runtime.remembered import Memory


def test_what_was_kept_is_recalled(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "facts", "facts")
    memory.keep({"a": [1]})
    assert Memory(tmp_path / "facts", "facts").recall()["a"] == [1]


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b"5", b"{}", b"\xff", b"[1]", b'{"boot": 1, "namespace": []}']
)
def test_nonsense_is_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "facts").write_bytes(data)
    assert Memory(tmp_path / "facts", "facts").recall() == {}
