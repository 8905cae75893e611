"""A parser with faults that only a fuzzer that is guided finds: whether the harness finds them is a test."""

from typing import Final

from fuzz.target import Target

__all__ = ["TARGETS"]


def _planted(data: bytes) -> None:
    if data[:1] == b"r" and data[1:2] == b"o" and data[2:3] == b"o" and data[3:4] == b"s":
        raise IndexError("the fault that was planted")


TARGETS: Final = (Target("planted", "fuzz.targets.planted", _planted, (ValueError,), 64),)
