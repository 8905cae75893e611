"""Compile src/roost/announce/bpf/answer.c into the flat programs beside it, which the wheel ships.

`python tools/build_bpf.py [FOLDER]`: writes answer.bpf, guard.bpf and spread.bpf, into FOLDER where one is
given. The compiler is clang of the locked `ziglang`: the same bytes come out on every machine.

A flat program is what bpf(2) loads, 8 bytes an instruction, little-endian. Where it loads a map's address it
holds the map's place in `MAPS` instead; `roost.runtime.bpf` puts the descriptors there.
"""

import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from roost.announce.kernel_answers import MAPS, PROGRAMS, SPREADS

SOURCE: Final = Path(__file__).parents[1] / "src" / "roost" / "announce" / "bpf"
COMPILE: Final = (
    *(sys.executable, "-m", "ziglang", "cc", "-target", "bpfel-freestanding", "-O2", "-mcpu=v2", "-g0"),
    *("-std=c11", "-Wall", "-Wextra", "-Werror", "-fno-stack-protector", "-fno-sanitize=all", "-c"),
)

_SYMBOLS, _RELOCATIONS = 2, 9  # section types SHT_SYMTAB and SHT_REL
_LOAD_ADDRESS = 0x18  # BPF_LD | BPF_IMM | BPF_DW
_OF_A_MAP = 1  # BPF_PSEUDO_MAP_FD, in the register field


class _Section(NamedTuple):
    """A section header of ELF64 (elf(5))."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


def main(folder: Path) -> None:
    """Write the programs into `folder`."""
    with tempfile.TemporaryDirectory() as scratch:
        compiled = Path(scratch) / "answer.o"
        cache = {"ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
        subprocess.run(  # noqa: S603
            [*COMPILE, str(SOURCE / "answer.c"), "-o", str(compiled)], env=os.environ | cache, check=True
        )
        elf = compiled.read_bytes()
    for name in (*PROGRAMS, SPREADS):
        (folder / f"{name}.bpf").write_bytes(flat(elf, name))


def flat(elf: bytes, name: str) -> bytes:
    """Return the instructions in section tc/`name`; raises LookupError for what they cannot have."""
    sections = list(_sections(elf))
    names = sections[struct.unpack_from("<H", elf, 62)[0]]
    (code,) = (at for at, each in enumerate(sections) if _text(elf, names.offset + each.name) == f"tc/{name}")
    symbols = next(each for each in sections if each.kind == _SYMBOLS)
    texts = sections[symbols.link]
    begin, size = sections[code].offset, sections[code].size
    found = bytearray(elf[begin : begin + size])
    for each in sections:
        if each.kind != _RELOCATIONS or each.info != code:
            continue
        for entry in range(each.offset, each.offset + each.size, 16):
            at, info = struct.unpack_from("<QQ", elf, entry)
            (text,) = struct.unpack_from("<I", elf, symbols.offset + (info >> 32) * 24)
            wanted = _text(elf, texts.offset + text)
            if found[at] != _LOAD_ADDRESS or wanted not in MAPS:
                raise LookupError(f"{name} refers to {wanted or 'data of its own'}, which is no map")
            found[at + 1] |= _OF_A_MAP << 4
            struct.pack_into("<i", found, at + 4, list(MAPS).index(wanted))
    return bytes(found)


def _sections(elf: bytes) -> Iterator[_Section]:
    (begin,) = struct.unpack_from("<Q", elf, 40)
    size, count = struct.unpack_from("<HH", elf, 58)
    for at in range(count):
        yield _Section(*struct.unpack_from("<IIQQQQIIQQ", elf, begin + at * size))


def _text(elf: bytes, offset: int) -> str:
    return elf[offset : elf.index(0, offset)].decode()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE)
