"""Their syntax: comments, quotes, braces, conditions, definitions, sequences, lists, includes."""

from pathlib import Path

import pytest

from roost.keepalived import FilesOnDisk, UnreadableError
from roost.keepalived.lines import Lines
from roost.keepalived.places import Remarks
from roost.keepalived.tree import Entry, tree
from roost.keepalived.words import arguments, pieces, uncommented, words


def read(
    folder: Path, text: str, node: str = "n1", environment: dict[str, str] | None = None
) -> tuple[list[str], Remarks]:
    """Return the lines that count, each with its place as LINE:TEXT."""
    (folder / "k.conf").write_text(text)
    remarks = Remarks()
    lines = Lines(FilesOnDisk(), node, environment or {}, remarks).of(folder / "k.conf")
    return [f"{line.place.line}:{line.text}" for line in lines], remarks


def shape(entries: list[Entry]) -> list[object]:
    """Return entries as texts, and as pairs of a text and what is in its block."""
    return [entry.text if entry.block is None else (entry.text, shape(entry.entries)) for entry in entries]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("priority 100 # on the master", "priority 100"),
        ("! Configuration File for keepalived", ""),
        ('script "echo #1 !" # why', 'script "echo #1 !"'),
        (r"auth_pass a\#b\!c", "auth_pass a#b!c"),
        ("$A= \\", "$A= \\"),
        ("  interface eth0!comment", "interface eth0"),
    ],
)
def test_comments(line: str, left: str) -> None:
    assert uncommented(line) == left


def test_words_and_arguments() -> None:
    assert words('notify "/a b" user') == ("notify", "/a b", "user")
    assert words('q"a b"c') == ("q", "a b", "c")
    assert arguments("\"/bin/x -a 'b c' d\"") == ("/bin/x -a 'b c' d",)
    assert arguments("/bin/x -a 'b c' d\\ e \"\"") == ("/bin/x", "-a", "b c", "d e", "")
    assert arguments(r"a\x41\101\tb") == ("aAA\tb",)


def test_braces_stand_anywhere_but_in_quotes_and_placeholders() -> None:
    assert list(pieces("vrrp_instance VI_1{")) == ["vrrp_instance VI_1", "{"]
    assert list(pieces("unicast_peer { 192.0.2.1 }")) == ["unicast_peer", "{", "192.0.2.1", "}"]
    assert list(pieces('script "{ }" {')) == ['script "{ }"', "{"]
    assert list(pieces("state ${STATE:-MASTER} {{ X }}")) == ["state ${STATE:-MASTER} {{ X }}"]


def test_blocks(tmp_path: Path) -> None:
    text = "a {\n b 1\n c\n {\n  d\n }\n}}\ne { f\n"
    (tmp_path / "k.conf").write_text(text)
    remarks = Remarks()
    entries = tree(Lines(FilesOnDisk(), "n1", {}, remarks).of(tmp_path / "k.conf"), remarks)
    assert shape(entries) == [("a", ["b 1", ("c", ["d"])]), ("e", ["f"])]
    assert [(each.place.line, each.kind, each.what) for each in remarks.in_order()] == [
        (7, "needless", "}"),
        (8, "changed", "e"),
    ]


def test_a_missing_brace_is_named_and_costs_one_block(tmp_path: Path) -> None:
    text = "vrrp_instance A {\n virtual_ipaddress {\n  192.0.2.1\nvrrp_instance B {\n}\n"
    (tmp_path / "k.conf").write_text(text)
    remarks = Remarks()
    entries = tree(Lines(FilesOnDisk(), "n1", {}, remarks).of(tmp_path / "k.conf"), remarks)
    assert [entry.text for entry in entries] == ["vrrp_instance A", "vrrp_instance B"]
    assert [each.place.line for each in remarks.in_order()] == [4]


def test_conditions(tmp_path: Path) -> None:
    text = "@n1 a\n@n2 b\n@^n1 c\n@^n2 d\n@^n2 @n1 e\n@n1\n"
    assert read(tmp_path, text)[0] == ["1:a", "4:d", "5:e"]


def test_definitions_take_their_place_when_they_are_used(tmp_path: Path) -> None:
    text = "$BASE=10.2.${SUB}\n$SUB=0\n${BASE}.100/32\n$SUB=10\n${BASE}.100/32\n"
    text += "$NONE x${NONE}\n$IF=@n1\n$IF p 1\n"
    assert read(tmp_path, text)[0] == ["3:10.2.0.100/32", "5:10.2.10.100/32", "6:$NONE x${NONE}", "8:p 1"]


def test_definitions_of_several_lines(tmp_path: Path) -> None:
    text = "$RS= \\\n  real ${N} \\\n  @n2 no \\\n  last\n$VS= \\\n $N=1 \\\n $RS \\\n $N=2 \\\n $RS\n$VS\n"
    lines, _ = read(tmp_path, text)
    assert [line.split(":")[1] for line in lines] == ["real 1", "last", "real 2", "last"]
    assert {line.split(":")[0] for line in lines} == {"2", "4"}  # where they stand, not where they are used


def test_names_that_are_theirs(tmp_path: Path) -> None:
    text = "a ${_ENV PEER} ${_INSTANCE} \\\nb ${_HASH}x\nc ${_PWD}/s.sh\nd ${_ENV NOT_SET}\n"
    lines, remarks = read(tmp_path, text, environment={"PEER": "192.0.2.7"})
    assert lines[0].startswith("1:a 192.0.2.7 n1")
    assert lines[2:] == [f"3:c {tmp_path}/s.sh", "4:d"]
    assert [each.what for each in remarks.in_order()] == ["${_ENV NOT_SET}"]


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("~SEQ(A, 0, 3) 10.0.${A}.1", ["10.0.0.1", "10.0.1.1", "10.0.2.1", "10.0.3.1"]),
        ("~SEQ(A, 2) x$A y$Az", ["x1 y$Az", "x2 y$Az"]),
        ("~SEQ(A, 6, -2, 1) ${A}", ["6", "4", "2"]),
        ("~SEQx(A, 0x90, 0x10, 0xc0) f::${A}", ["f::90", "f::a0", "f::b0", "f::c0"]),
        ("~SEQ(A,1,2) ~SEQ(B,1,2) ${A}${B}", ["11", "12", "21", "22"]),
        ("~LST(A, 1, 5) 10.${A}", ["10.1", "10.5"]),
        ("~LST({A, B}, {10,1},{20,4}) ${A}.${B}", ["10.1", "20.4"]),
        ("~LST({A, B}, {1,2},{3,4}) ~SEQ(C,7,8) ${A}${B}${C}", ["127", "128", "347", "348"]),
    ],
)
def test_sequences_and_lists(tmp_path: Path, line: str, made: list[str]) -> None:
    assert read(tmp_path, line + "\n")[0] == [f"1:{each}" for each in made]


@pytest.mark.parametrize("line", ["~SEQ(A, x) a", "~SEQ a", "~LST({A,B},{1}) a", "~LST(A) a"])
def test_what_is_no_sequence_is_named(tmp_path: Path, line: str) -> None:
    lines, remarks = read(tmp_path, f"{line}\nb\n")
    assert lines == ["2:b"]
    assert [each.place.line for each in remarks.in_order()] == [1]


def test_includes_start_where_the_including_file_is(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "1.conf").write_text("one\ninclude more\n")
    (tmp_path / "d" / "2.conf").write_text("two\n")
    (tmp_path / "d" / "more").write_text("more ${_PWD}\n")
    lines, remarks = read(tmp_path, "a {\ninclude d/*.conf\n}\nincludea {x,d}/m*e\ninclude none\n")
    assert lines == ["1:a {", "1:one", f"1:more {tmp_path}/d", "1:two", "3:}", f"1:more {tmp_path}/d"]
    assert [each.what for each in remarks.in_order()] == ["include none"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("include k.conf\n", "includes itself"),
        ("$A=$A x\n$A\n", "stands for itself"),
        ("$A=${A}${A}\n$A\n", "beyond"),
        ("~SEQ(A,1,9999999) a\n", "more than"),
        ("~SEQ(A,1,999) ~SEQ(B,1,999) ~SEQ(C,1,999) a\n", "more than"),
        ("a {\n" * 100, "blocks within each other"),
        ("x" * 100_000, "longer than"),
        ("a\0b\n", "is no text"),
        ("a\n" * 200_000, "more than"),
    ],
)
def test_bounds(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "k.conf").write_text(text)
    remarks = Remarks()
    with pytest.raises(UnreadableError, match=why):
        tree(Lines(FilesOnDisk(), "n1", {}, remarks).of(tmp_path / "k.conf"), remarks)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"none\.conf cannot be read: No such file"):
        list(Lines(FilesOnDisk(), "n1", {}, Remarks()).of(tmp_path / "none.conf"))
