"""What is installed: a wheel with everything in it, pages for man(1), names for shells, scripts for dpkg."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest
import yaml

from roost import __version__

ROOT = Path(__file__).parents[2]
in_namespaces = pytest.mark.skipif(os.geteuid() != 0, reason="making network namespaces needs root")

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


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a virtual environment with the wheel and the locked dependencies, and nothing else."""
    locked = (ROOT / "requirements" / "run.lock").read_text().splitlines()
    names = [line.partition("==")[0] for line in locked if "==" in line]
    made = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", str(made)), check=True)
    packages = next((made / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(packages)
    _link_locked(names, packages)
    return made


def run(clean: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the environment's Python, far from the source tree."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        (str(clean / "bin" / "python"), *arguments),
        cwd=clean, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_command_runs_from_the_wheel_without_what_only_developers_have(clean: Path) -> None:
    done = run(clean, "-c", EVERY_COMMAND)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["failed"], told["commands"] >= 15) == ({}, True)
    assert told["file"].startswith(str(clean))


@in_namespaces
def test_the_lab_runs_from_the_wheel(clean: Path) -> None:
    done = run(clean, "-m", "roost", "lab", "--drill", "term", "--json", "--output", str(clean / "lab.svg"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert (clean / "lab.svg").read_text().startswith("<svg")


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


def test_the_bill_of_materials_names_what_the_lock_has_and_is_the_same_again(tmp_path: Path) -> None:
    build = (sys.executable, str(ROOT / "tools" / "build_sbom.py"))
    for name in ("one", "two"):
        subprocess.run(
            (*build, str(tmp_path / name)), check=True, env={**os.environ, "SOURCE_DATE_EPOCH": "0"}
        )
    text = (tmp_path / "one").read_text()
    assert text == (tmp_path / "two").read_text()
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    lock = (ROOT / "requirements" / "run.lock").read_text()
    locked = {line.split()[0] for line in lock.splitlines() if "==" in line}
    named = {f"{each['name']}=={each['version']}": each for each in bill["components"]}
    assert named.keys() == {each for each in locked if not each.startswith("flit-core==")}
    assert all(each["licenses"] and each["externalReferences"][0]["hashes"] for each in named.values())
    references = {each["bom-ref"] for each in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {each["ref"] for each in bill["dependencies"]} == references
    assert {needed for each in bill["dependencies"] for needed in each["dependsOn"]} <= references
    own = next(each for each in bill["dependencies"] if "roost@" in each["ref"])
    assert len(own["dependsOn"]) == 10


def test_workflows_call_what_the_tree_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for file in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        steps = [
            step for job in yaml.safe_load(file.read_text())["jobs"].values() for step in job.get("steps", ())
        ]
        called = " ".join(str(step.get("run", "")) for step in steps)
        assert set(re.findall(r"\bmake ([a-z]+)(?!-)\b", called)) <= targets
        assert all((ROOT / each).exists() for each in re.findall(r"(?<![\w/])\.ci/\w+", called))
