"""One Chromium for all tests of a process."""

from collections.abc import Iterator

import pytest
from tests.browser.chromium import PROGRAM, Browser, chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not PROGRAM:
        pytest.skip("needs Chromium (on Debian: apt install chromium)")
    with chromium(tmp_path_factory.mktemp("chromium")) as made:
        yield made
