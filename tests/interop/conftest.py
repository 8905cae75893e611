"""The Go agent is built before the first test that talks to it: compiling has no place in a deadline."""

from pathlib import Path

import pytest
from tests.interop.peers import build_go_agent


@pytest.fixture(scope="session")
def go_binary() -> Path:
    return build_go_agent()
