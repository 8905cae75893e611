"""A configuration file with a given text, read as the speaker reads it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from roost.standalone import Loaded, load


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[[str], Loaded]:
    def run(text: str) -> Loaded:
        path = tmp_path / "roost.yaml"
        path.write_bytes(text.encode())
        return load(path)

    return run
