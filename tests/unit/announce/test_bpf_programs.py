"""The flat programs that are shipped: built from the source beside them, and in the wheel."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from roost.announce.kernel_answers import LONGEST, MAPS, PROGRAMS, SPREADS
from roost.model.sharing import SLOTS
from roost.model.spreading import ME, VISITS

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "src" / "roost" / "announce" / "bpf"


def test_building_them_again_gives_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "tools" / "build_bpf.py"), str(tmp_path)], check=True)
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert built == {path.name: path.read_bytes() for path in FOLDER.glob("*.bpf")}, "run `make bpf`"
    assert built.keys() == {f"{name}.bpf" for name in (*PROGRAMS, SPREADS)}


def test_source_and_loader_name_the_same_maps_and_sizes() -> None:
    source = (FOLDER / "answer.c").read_text() + (FOLDER / "spread.h").read_text()
    names = ", ".join(re.findall(r"extern struct map ([^;]*);", source)).split(", ")
    assert sorted(names) == sorted(MAPS)
    sizes = dict(re.findall(r"#define (LONGEST|SLOTS|VISITS) (\d+)", source.replace("    ", " ")))
    assert sizes == {"LONGEST": str(LONGEST), "SLOTS": str(SLOTS), "VISITS": str(VISITS)}
    assert f"ME = {ME} " in source


def test_the_wheel_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buildapi = pytest.importorskip("flit_core.buildapi")
    monkeypatch.chdir(ROOT)
    wheel = tmp_path / buildapi.build_wheel(str(tmp_path))
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"roost/announce/bpf/{name}.bpf" for name in (*PROGRAMS, SPREADS)} <= set(names)
