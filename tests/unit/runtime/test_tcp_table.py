"""Open connections as the kernel lists them."""

import os
import socket

import pytest

from roost.runtime.tcp_table import established


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_open_connections_count_for_their_local_address(address: str) -> None:
    before = established(os.getpid()).get(address, 0)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listening:
        assert established(os.getpid()).get(address, 0) >= before
        with socket.create_connection(listening.getsockname()[:2]), listening.accept()[0]:
            assert established(os.getpid())[address] >= 2, "both ends are here"


def test_a_process_that_is_gone_has_none() -> None:
    assert established(2**22 + 1) == {}
