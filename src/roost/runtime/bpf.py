"""BPF maps, programs and their links by bpf(2), without a library (include/uapi/linux/bpf.h of Linux).

Everything belongs to this process: with the last descriptor the kernel takes it away. Every call raises
OSError when the kernel refuses; EPERM wants CAP_BPF and CAP_NET_ADMIN, EINVAL comes of an older kernel.
"""

import contextlib
import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

__all__ = ["Hook", "Map", "MapKind", "Program", "TcxLinks"]

_NUMBER: Final = MappingProxyType(  # of the system call
    {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "ppc64le": 361}
)
_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _PROGRAM_LOAD, _TEST_RUN, _INFO = 0, 1, 2, 3, 5, 10, 15
_TAKE_BATCH, _UPDATE_BATCH, _LINK_CREATE, _LINK_UPDATE = 25, 26, 28, 29
_NO_PREALLOCATION: Final = 1
_BEFORE: Final = 8  # BPF_F_BEFORE: before all that is there
_SCHED_CLS: Final = 3  # program type
_LOAD_ADDRESS: Final = 0x18  # BPF_LD | BPF_IMM | BPF_DW
_OF_A_MAP: Final = 1  # BPF_PSEUDO_MAP_FD
_LICENCE: Final = b"GPL"  # ktime_get_ns wants it before Linux 5.8
_LOG: Final = 1 << 20  # bytes of the verifier's words
_ROOM: Final = 256  # bytes of attributes: more than any kernel knows, zero where nothing is set

_libc = ctypes.CDLL(None, use_errno=True)
_Buffer = ctypes.Array[ctypes.c_char]


class MapKind(IntEnum):
    """How a map keeps its entries."""

    HASH = 1
    ARRAY = 2
    PER_CPU_HASH = 5
    PER_CPU_ARRAY = 6
    LRU_HASH = 9


class Hook(IntEnum):
    """Where a program sees the frames of a link; the numbers are those of tcx."""

    INGRESS = 46
    EGRESS = 47


class _Descriptor:
    """A descriptor that is closed once."""

    fd = -1

    def __init__(self, descriptor: int) -> None:
        self.fd = descriptor

    def close(self) -> None:
        """Give it back."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __del__(self) -> None:
        self.close()


class Map(_Descriptor):
    """A map with keys and values of fixed sizes (bytes), at most `entries` of them."""

    def __init__(self, kind: MapKind, key: int, value: int, entries: int, name: str) -> None:
        flags = _NO_PREALLOCATION if kind in (MapKind.HASH, MapKind.PER_CPU_HASH) else 0
        attributes = _attributes("=5I8x16s", kind, key, value, entries, flags, name.encode())
        super().__init__(_call(_MAP_CREATE, attributes))
        per_cpu = kind in (MapKind.PER_CPU_HASH, MapKind.PER_CPU_ARRAY)
        self.entries = entries
        self._stride = -value % 8 + value if per_cpu else value
        self._size = self._stride * (_possible_cpus() if per_cpu else 1)
        self._key = key
        self._one_key = ctypes.create_string_buffer(key)  # buffers of calls about one entry
        self._one_value = ctypes.create_string_buffer(self._size)
        self._one = _attributes("=I4xQQQ", self.fd, _pointer(self._one_key), _pointer(self._one_value), 0)

    def get(self, key: bytes) -> tuple[bytes, ...] | None:
        """Return the value, one for each CPU where the map has that, or None."""
        self._one_key.raw = key
        try:
            _call(_LOOKUP, self._one)
        except FileNotFoundError:
            return None
        raw = self._one_value.raw
        return tuple(raw[at : at + self._stride] for at in range(0, self._size, self._stride))

    def set(self, key: bytes, value: bytes) -> None:
        """Set one entry; where each CPU has its value, that of the first, and zeros for the others."""
        self._one_key.raw = key
        self._one_value.raw = value.ljust(self._size, b"\0")
        _call(_UPDATE, self._one)

    def set_all(self, entries: Mapping[bytes, bytes]) -> None:
        """Set many at once, of a map whose CPUs share values. Needs Linux 5.6."""
        if not entries:
            return
        keys = ctypes.create_string_buffer(b"".join(entries))
        values = ctypes.create_string_buffer(b"".join(entries.values()))
        _call(_UPDATE_BATCH, self._batch(0, keys, values, len(entries)))

    def delete(self, key: bytes) -> None:
        """Delete an entry; what is not there is no fault."""
        self._one_key.raw = key
        with contextlib.suppress(FileNotFoundError):
            _call(_DELETE, _attributes("=I4xQ", self.fd, _pointer(self._one_key)))

    def take(self, most: int) -> list[tuple[bytes, bytes]]:
        """Take out some entries of a hash, `most` at most: (key, value) each. Needs Linux 5.6."""
        keys = ctypes.create_string_buffer(most * self._key)
        values = ctypes.create_string_buffer(most * self._size)
        place = ctypes.create_string_buffer(8)
        attributes = self._batch(_pointer(place), keys, values, most)
        with contextlib.suppress(FileNotFoundError):  # there were no more than these
            _call(_TAKE_BATCH, attributes)
        (count,) = struct.unpack_from("=I", attributes, 32)
        raw_keys, raw_values = keys.raw, values.raw
        return [
            (raw_keys[at * self._key :][: self._key], raw_values[at * self._size :][: self._size])
            for at in range(count)
        ]

    def _batch(self, place: int, keys: _Buffer, values: _Buffer, count: int) -> _Buffer:
        return _attributes("=QQQQII", 0, place, _pointer(keys), _pointer(values), count, self.fd)


class Program(_Descriptor):
    """A program for the tc hook from flat instructions that name `maps` by their places (tools/build_bpf.py).

    The error of a program that the verifier refuses carries the end of its words.
    """

    def __init__(self, code: bytes, maps: Sequence[Map], name: str) -> None:
        instructions = _with_maps(code, maps)
        try:
            descriptor = _load(instructions, name, None)
        except OSError as error:
            raise _explained(error, instructions, name) from error
        super().__init__(descriptor)
        self.name = name
        self.number = struct.unpack_from("=I", _info(self.fd), 4)[
            0
        ]  # of the kernel's, as `bpftool prog` has it

    def run(self, frame: bytes, link: int) -> tuple[int, bytes]:
        """Run it on a frame as if it came in on the link with that index: (verdict, the frame after it)."""
        given = ctypes.create_string_buffer(frame, len(frame))
        after = ctypes.create_string_buffer(1 << 14)
        context = ctypes.create_string_buffer(192)
        struct.pack_into("=I", context, 40, link)  # __sk_buff.ifindex
        attributes = _attributes(
            "=IIIIQQIIIIQQ",
            *(self.fd, 0, len(frame), len(after), _pointer(given), _pointer(after)),
            *(1, 0, len(context), 0, _pointer(context), 0),
        )
        _call(_TEST_RUN, attributes)
        verdict, _size, size = struct.unpack_from("=iII", attributes, 4)
        return verdict, after.raw[:size]


class TcxLinks:
    """Programs at the hooks of the link with that index, before all others there. Needs Linux 6.6.

    They go with this object, and with the process.
    """

    def __init__(self, programs: Mapping[Hook, Program], link: int) -> None:
        self._links: dict[Hook, _Descriptor] = {}
        try:
            for hook, program in programs.items():
                attributes = _attributes("=IIII16x", program.fd, link, hook, _BEFORE)
                self._links[hook] = _Descriptor(_call(_LINK_CREATE, attributes))
        except OSError:
            self.close()
            raise

    def replace(self, programs: Mapping[Hook, Program]) -> None:
        """Put others in their places; each frame is seen by one of both."""
        for hook, program in programs.items():
            _call(_LINK_UPDATE, _attributes("=4I", self._links[hook].fd, program.fd, 0, 0))

    @property
    def attached(self) -> bool:
        """Whether they are there still: they go with the network link, and others may take them away."""
        return all(struct.unpack_from("=I", _info(each.fd), 16)[0] for each in self._links.values())

    def close(self) -> None:
        """Take them away."""
        for each in self._links.values():
            each.close()


def _load(instructions: bytes, name: str, log: _Buffer | None) -> int:
    code = ctypes.create_string_buffer(instructions)
    licence = ctypes.create_string_buffer(_LICENCE)
    words = (0, 0, 0) if log is None else (1, len(log), _pointer(log))
    attributes = _attributes(
        "=IIQQIIQII16s",
        *(_SCHED_CLS, len(instructions) // 8, _pointer(code), _pointer(licence), *words, 0, 0, name.encode()),
    )
    return _call(_PROGRAM_LOAD, attributes)


def _explained(error: OSError, instructions: bytes, name: str) -> OSError:
    """Return the error with what the verifier says, where it says anything."""
    if error.errno not in (errno.EACCES, errno.EINVAL, errno.E2BIG):
        return error
    log = ctypes.create_string_buffer(_LOG)
    try:
        os.close(_load(instructions, name, log))
    except OSError:
        lines = log.value.decode(errors="replace").strip().splitlines()
        said = next((line for line in reversed(lines) if not line.startswith("processed ")), "")
        return OSError(error.errno, f"{error.strerror}: {said}" if said else error.strerror)
    return error


def _with_maps(code: bytes, maps: Sequence[Map]) -> bytes:
    found = bytearray(code)
    at = 0
    while at < len(found):
        wide = found[at] == _LOAD_ADDRESS
        if wide and found[at + 1] >> 4 == _OF_A_MAP:
            (place,) = struct.unpack_from("=i", found, at + 4)
            struct.pack_into("=i", found, at + 4, maps[place].fd)
        at += 16 if wide else 8
    return bytes(found)


def _info(descriptor: int) -> bytes:
    info = ctypes.create_string_buffer(_ROOM)
    _call(_INFO, _attributes("=IIQ", descriptor, len(info), _pointer(info)))
    return info.raw


def _attributes(layout: str, *values: object) -> _Buffer:
    return ctypes.create_string_buffer(struct.pack(layout, *values), _ROOM)


def _call(command: int, attributes: _Buffer) -> int:
    """Return the kernel's result; what else it says is in `attributes` then, also when it raises."""
    number = _NUMBER.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"the number of bpf(2) is not known for {platform.machine()}")
    result = _libc.syscall(number, command, attributes, len(attributes))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def _pointer(buffer: _Buffer) -> int:
    return ctypes.addressof(buffer)


def _possible_cpus() -> int:
    """Return for how many CPUs the kernel keeps values: /sys/devices/system/cpu/possible, such as `0-3,8`."""
    text = Path("/sys/devices/system/cpu/possible").read_text().strip()
    ends = (part.partition("-") for part in text.split(","))
    return sum(int(last or first) - int(first) + 1 for first, _, last in ends)
