"""LZW with least significant bits first and 8-bit literals, byte for byte as Go's `compress/lzw`.

Codes start at 9 bits. 0 to 255 are literals, 256 clears the table, 257 ends the data, and each code
after them names a phrase. Codes grow to 12 bits; the encoder clears the table before it is full.
"""

from collections.abc import Generator
from typing import Final

from roost.protocols.errors import PacketError
from roost.protocols.memberlist.parts import run

__all__ = ["compress", "decompress", "decompressing"]

_CLEAR: Final = 256
_END: Final = 257
_FIRST_WIDTH: Final = 9
_LAST_WIDTH: Final = 12
_TABLE_SIZE: Final = 1 << _LAST_WIDTH
_FIRST_CODE: Final = 258  # of a phrase
_PART: Final = 8192  # bytes of input that are decompressed together: some 3 ms
_LAST_CODE: Final = _TABLE_SIZE - 1  # never assigned: the encoder clears on reaching it
_ROOTS: Final = (*(bytes((value,)) for value in range(256)), b"", b"")  # clear and end name no phrase


class _BitWriter:
    """Appends codes to `output`, the first bit lowest."""

    __slots__ = ("_bits", "_held", "output", "width")

    def __init__(self) -> None:
        self.output = bytearray()
        self.width = _FIRST_WIDTH
        self._bits = 0
        self._held = 0

    def write(self, code: int) -> None:
        self._bits |= code << self._held
        self._held += self.width
        while self._held >= 8:
            self.output.append(self._bits & 0xFF)
            self._bits >>= 8
            self._held -= 8

    def flush(self) -> None:
        if self._held:
            self.output.append(self._bits)


def compress(data: bytes) -> bytes:
    """Return `data` compressed, with the leading clear code and the end code."""
    writer = _BitWriter()
    writer.write(_CLEAR)
    if data:
        _write_phrases(data, writer)
    writer.write(_END)
    writer.flush()
    return bytes(writer.output)


def _write_phrases(data: bytes, writer: _BitWriter) -> None:
    phrases: dict[int, int] = {}  # prefix code << 8 | next byte -> code
    newest = _END
    code = data[0]
    for literal in data[1:]:
        key = code << 8 | literal
        longer = phrases.get(key)
        if longer is not None:
            code = longer
            continue
        writer.write(code)
        code = literal
        newest = _next_code(newest, writer)
        if newest == _END:
            phrases.clear()
        else:
            phrases[key] = newest
    writer.write(code)
    _next_code(newest, writer)  # the end code must be as wide as the reader now expects


def _next_code(newest: int, writer: _BitWriter) -> int:
    """Return the code that the phrase just ended gets, or `_END` after writing a clear code."""
    newest += 1
    if newest == 1 << writer.width:
        writer.width += 1
    if newest < _LAST_CODE:
        return newest
    writer.write(_CLEAR)
    writer.width = _FIRST_WIDTH
    return _END


def decompress(data: bytes, limit: int) -> bytes:
    """Return what `data` expands to; what follows its end code is ignored, as Go does.

    Raises PacketError when a code is invalid, when the end code is missing, and as soon as the
    output would exceed `limit` bytes. Memory stays within a few times `limit`.
    """
    return run(decompressing(data, limit))


def decompressing(data: bytes, limit: int) -> Generator[None, None, bytes]:
    """Do the work of `decompress` in parts of a few milliseconds; yield after each but the last."""
    output = bytearray()
    table = list(_ROOTS)
    size = len(_ROOTS)
    previous = b""  # empty after a clear: the next code completes no phrase
    width, mask = _FIRST_WIDTH, (1 << _FIRST_WIDTH) - 1
    bits = held = 0
    for start in range(0, len(data), _PART):
        if start:
            yield
        for byte in data[start : start + _PART]:
            bits |= byte << held
            held += 8
            if held < width:
                continue
            code = bits & mask
            bits >>= width
            held -= width
            if code < size:
                phrase = table[code]
                if not phrase:
                    if code == _END:
                        return bytes(output)
                    del table[_FIRST_CODE:]
                    size = _FIRST_CODE
                    previous = b""
                    width, mask = _FIRST_WIDTH, (1 << _FIRST_WIDTH) - 1
                    continue
            elif code == size and previous:
                phrase = previous + previous[:1]  # the phrase that this very code completes
            else:
                raise PacketError(f"compressed data has the invalid code {code}")
            output += phrase
            if len(output) > limit:
                raise PacketError(f"compressed data expands to more than {limit} bytes")
            if previous and size < _TABLE_SIZE:
                table.append(previous + phrase[:1])
                size += 1
            if size > mask and width < _LAST_WIDTH:
                width += 1
                mask = (1 << width) - 1
            previous = phrase
    raise PacketError("compressed data has no end code")
