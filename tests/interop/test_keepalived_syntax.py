"""What their parser makes of a file, beside ours: it names each word that it does not know, with its line."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from roost.keepalived import FilesOnDisk
from roost.keepalived.lines import Lines
from roost.keepalived.places import Remarks

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("keepalived") is None, reason="needs keepalived (tools/setup dev)"),
]

NAMED = re.compile(r"^\(Line (\d+)\) Unknown keyword '(.*)'", re.MULTILINE)
TEXT = r"""
a1 # comment
a2 ! comment
a3"b c"d
  a5   f
@n1 b1
@n2 b2
@^n2 b3
@^n1 b4
$BASE=c1.${SUB}
$SUB=0
${BASE}.100/32
$SUB=10
${BASE}.100/32
c3$SUB.x
$SUB c4
$EMPTY=
c5${EMPTY}d
~SEQ(A, 0, 3) d1.${A}.1
~SEQ(B, 6, -2, 1) d2.${B}
~SEQ(C, 3) d3.${C}
~SEQ(D, 3, 1) d4.${D}
~SEQx(E, 0x90, 0x10, 0xc0) d5::${E}
~LST({F, G}, {10,1},{20,4}) e1.${F}.${G}
~LST(H, 1, 5) e2.${H}
~SEQ(I,1,2) ~SEQ(J,1,2) e3.${I}.${J}
~LST(K, 1, 2) ~LST(L, 5,6,7) e4.${K}.${L}
$RS= \
  f1.${N} \
  @n2 f2.${N} \
# a comment
  @n1 f3.${N}
$CUT= \
  f4 \

$CUT
f5
$VS= \
 $N=1 \
 $RS \
 $N=2 \
 $RS
$VS
g1.${_INSTANCE}
"""


def theirs(path: Path) -> list[tuple[int, str]]:
    command = ["keepalived", "-t", "-f", str(path), "-i", "n1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # Of the process that reads the file; others read its copy, and name that.
    return [(int(line), word) for line, word in NAMED.findall(done.stdout + done.stderr)]


def ours(path: Path) -> list[tuple[int, str]]:
    lines = Lines(FilesOnDisk(), "n1", {}, Remarks()).of(path)
    return [(line.place.line, re.split(r'[ "{]', line.text)[0]) for line in lines]


def test_the_same_words_come_of_the_same_lines(tmp_path: Path) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(TEXT)
    told = theirs(path)
    assert len(told) > 40
    assert [word for _, word in told] == [word for _, word in ours(path)]
