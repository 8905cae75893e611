"""What nodes say to each other above gossip, and what the decider makes of it."""

from functools import cache
from typing import Any, Final

from fuzz.target import Target
from roost.protocols.errors import PacketError
from roost.protocols.words import codec, metadata

__all__ = ["TARGETS"]

_MOST: Final = 24  # words that one decider hears


def _word(data: bytes) -> None:
    word = codec.decode(data)
    try:
        again = codec.encode(word)
    except ValueError:
        return  # a newer version may say more than this one
    assert codec.decode(again) is not None


def _state(data: bytes) -> None:
    words = codec.decode_state(data)
    assert len(words) <= 256


def _metadata(data: bytes) -> None:
    found = metadata.parse.__wrapped__(data)  # a cache would hide what it costs
    assert isinstance(hash(found.macs), int)
    assert len(found.macs) <= 64


@cache
def _decider() -> Any:
    """Return what makes a decider with two peers, three services and one link."""
    from tests.unit.decide.builders import service  # noqa: PLC0415 - only where it is fuzzed
    from tests.unit.decide.one import One  # noqa: PLC0415

    services = [service(f"192.0.2.{100 + at}", f"s{at}") for at in range(3)]
    return lambda: One(*services, settled=False)


def _decide(data: bytes) -> None:
    """Words one after the other, parted by lengths of two bytes; the first byte is how long to wait."""
    one = _decider()()
    at = 0
    for _ in range(_MOST):
        if at + 3 > len(data):
            break
        pause, length = data[at], int.from_bytes(data[at + 1 : at + 3], "big")
        try:
            words = codec.decode_state(data[at + 3 : at + 3 + length])
        except PacketError:
            try:
                words = (codec.decode(data[at + 3 : at + 3 + length]),)
            except PacketError:
                words = ()
        at += 3 + length
        for word in words:
            one.hear(word)
        if pause:
            one.run(pause / 256)


TARGETS: Final = (
    Target("word", "protocols.words.codec.decode", _word, (PacketError,), 1500),
    Target("state", "protocols.words.codec.decode_state", _state, (PacketError,)),
    Target("metadata", "protocols.words.metadata.parse", _metadata, (), 600),
    Target("decider", "decide.decider.Decider.hear", _decide, (), 2048),
)
