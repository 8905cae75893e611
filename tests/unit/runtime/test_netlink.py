"""Netlink's answers, also such that no kernel has given yet."""

import errno
import struct

import pytest

from roost.runtime import netlink


@pytest.mark.parametrize("body", [b"", b"\xff\xff\xff"])
def test_an_error_that_is_cut_short_is_an_error(body: bytes) -> None:
    with pytest.raises(OSError, match="cut short") as caught:
        netlink._raise(body)
    assert caught.value.errno == errno.EBADMSG


def test_an_error_is_raised_and_an_acknowledgement_is_not() -> None:
    netlink._raise(struct.pack("=i", 0))
    with pytest.raises(PermissionError):
        netlink._raise(struct.pack("=i", -errno.EPERM))
