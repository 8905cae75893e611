"""What is installed: a wheel with everything in it, pages for man(1), names for shells, scripts for dpkg."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

from roost import __version__

ROOT = Path(__file__).parents[2]

EVERY_COMMAND = """
import json
from click.testing import CliRunner
import roost
from roost.cli import main
said = {name: CliRunner().invoke(main, [name, "--help"]) for name in main.list_commands(None)}
failed = {name: repr(each.exception) for name, each in said.items() if each.exit_code}
print(json.dumps({"file": roost.__file__, "commands": len(said), "failed": failed}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder))
    subprocess.run((*pip, str(ROOT)), check=True)
    (made,) = folder.iterdir()
    return made


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    source = ROOT / "src"
    expected = {
        str(each.relative_to(source))
        for each in (source / "roost").rglob("*")
        if each.is_file() and each.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if name.startswith("roost/")}
        scripts = opened.read(f"roost-{__version__}.dist-info/entry_points.txt").decode()
    assert held == expected
    assert {"roost/announce/bpf/answer.bpf", "roost/observe/web/static/index.html"} < held
    assert "roost=roost.entry:main" in scripts
    assert "kubectl-roost=roost.entry:main" in scripts


def test_every_command_runs_from_the_wheel_without_what_only_developers_have(
    wheel: Path, tmp_path: Path
) -> None:
    locked = (ROOT / "requirements" / "run.lock").read_text().splitlines()
    names = [line.partition("==")[0] for line in locked if "==" in line]
    clean = tmp_path / "clean"
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", str(clean)), check=True)
    packages = next((clean / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(packages)
    _link_locked(names, packages)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        (str(clean / "bin" / "python"), "-c", EVERY_COMMAND),
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["failed"], told["commands"] >= 15) == ({}, True)
    assert told["file"].startswith(str(packages))


def _link_locked(names: list[str], packages: Path) -> None:
    """Show a clean environment the files of the locked distributions, and of no others."""
    from importlib.metadata import distribution

    for name in names:
        for file in distribution(name).files or ():
            top = file.parts[0]
            if top != ".." and not (packages / top).exists():
                (packages / top).symlink_to(Path(str(distribution(name).locate_file(top))).resolve())


def test_each_command_has_a_page_that_troff_takes(tmp_path: Path) -> None:
    from roost.cli import main

    build = (sys.executable, str(ROOT / "tools" / "build_man.py"))
    subprocess.run((*build, str(tmp_path)), check=True, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
    made = {each.name: each.read_text() for each in tmp_path.iterdir()}
    named = main.list_commands(click.Context(main))
    assert made.keys() == {"roost.1", *(f"roost-{name}.1" for name in named)}
    assert "\\-\\-deadline" in made["roost-drain.1"]
    assert "1970-01-01" in made["roost-drain.1"]
    if shutil.which("groff"):
        pages = sorted(map(str, tmp_path.iterdir()))
        judged = subprocess.run(
            ("groff", "-man", "-Tutf8", "-ww", "-rLL=200n", "-z", *pages),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (judged.returncode, judged.stderr) == (0, "")


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm"])
def test_dpkgs_scripts_are_for_any_posix_shell(name: str) -> None:
    judged = subprocess.run(
        ("sh", "-n", str(ROOT / "deploy" / "debian" / name)), capture_output=True, text=True, check=False
    )
    assert (judged.returncode, judged.stderr) == (0, "")
