"""`roost lab` as users run it: what it prints, and that nothing stays behind however it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.system.netns import NETNS
from tests.system.speakers import until

pytestmark = NETNS

LAB = (sys.executable, "-m", "roost", "lab")
SMALL = ("--nodes", "2", "--vips", "2", "--clients", "1")


def run(*options: str, deadline: float = 90.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LAB, *options], capture_output=True, text=True, timeout=deadline, check=False)


@contextmanager
def running(mark: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A lab that has told of its first event; every process of it has `mark` in its environment."""
    process = subprocess.Popen(
        [*LAB, *SMALL, "--keep", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"ROOST_TEST_MARK": mark, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        assert "planned stop" in process.stdout.readline(), process.communicate(timeout=20)[1]
        assert len(family(mark)) >= 6  # outer, unshare, inner, a speaker, two echoes, a client
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def family(mark: str) -> list[int]:
    """The processes of this machine that have `mark` in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"ROOST_TEST_MARK={mark}".encode() in (path / "environ").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


def traces() -> set[str]:
    """Namespaces with names, and the lab's files, that are visible from outside."""
    names = Path("/run/netns")
    named = {path.name for path in names.iterdir()} if names.exists() else set()
    # Other tests come and go beside this one; their names begin with r and a process id.
    return {name for name in named if not re.match(r"r\d", name)} | {
        str(path) for path in Path("/run").glob("lab*")
    }


def test_a_planned_stop_loses_nothing_and_is_told_as_json_and_picture(tmp_path: Path) -> None:
    picture = tmp_path / "term.svg"
    done = run("--drill", "term", "--json", "--ipv6", "--output", str(picture))
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["drill"], facts["nodes"], facts["ipv6"]) == ("term", 3, True)
    assert facts["svg"] == str(picture)
    assert (facts["lost"], facts["broken"]) == (0, 0), facts
    assert facts["sent"] > 1000
    assert facts["connections"] >= 16
    assert {event["client"] for event in facts["events"]} == {"c1", "c2"}
    assert any(":" in address for event in facts["events"] for address in event["outages_ms"])
    assert ET.parse(picture).getroot().tag.endswith("svg")


def test_a_silent_cut_costs_a_bounded_outage(tmp_path: Path) -> None:
    done = run("--drill", "cut", "--json", "--output", str(tmp_path / "cut.svg"))
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert 0 < facts["lost"] < facts["sent"]
    assert 0 < facts["outage_ms"] < 1500, facts
    assert 0 < facts["broken"] < facts["connections"], (
        "those of the node that was cut, which nobody can go on with"
    )


def played(folder: Path, drill: str) -> dict[str, Any]:
    lasting = ("--duration", "4") if drill in ("busy", "lossy") else ()
    done = run("--drill", drill, *lasting, "--json", "--output", str(folder / "drill.svg"))
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert isinstance(facts, dict)
    return facts


@pytest.mark.parametrize("drill", ["drain", "freeze", "busy"])
def test_what_must_not_hurt_does_not(tmp_path: Path, drill: str) -> None:
    facts = played(tmp_path, drill)
    assert facts["lost"] == 0, facts
    assert drill != "drain" or facts["broken"] == 0
    assert drill != "busy" or facts["moves"] == 0


@pytest.mark.parametrize("drill", ["deaf", "split", "oneway", "lossy", "carrier"])
def test_what_hurts_is_over_soon(tmp_path: Path, drill: str) -> None:
    facts = played(tmp_path, drill)
    assert facts["outage_ms"] < 1500, facts
    if drill == "split":
        assert all(len(event["outages_ms"]) == 4 for event in facts["events"]), "every address counts"
        assert facts["elsewhere"]["sent"] == 0
    assert drill != "lossy" or facts["moves"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_so_and_leaves_nothing(number: signal.Signals) -> None:
    before = traces()
    with running(f"interrupt-{number}-{os.getpid()}", "--drill", "term") as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 130
        assert said.strip().splitlines() == ["roost: stopped; nothing is left behind"]
        until(lambda: not family(f"interrupt-{number}-{os.getpid()}"), "every process is gone")
    assert traces() <= before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_moments_ends_it_and_leaves_nothing(number: signal.Signals) -> None:
    """Beginning with the moment in which the outer process catches signals, before its imports."""
    before = traces()
    for moment in [at * 0.06 for at in range(20)]:
        mark = f"early-{number}-{os.getpid()}-{moment:.2f}"
        process = subprocess.Popen(
            [*LAB, *SMALL],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"ROOST_TEST_MARK": mark},
        )
        status = Path(f"/proc/{process.pid}/status")
        until(lambda: catches(status.read_text(), number), "it catches signals", deadline=5)  # noqa: B023
        time.sleep(moment)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        assert (process.returncode, said) == (130, "roost: stopped; nothing is left behind\n"), moment
        until(lambda: not family(mark), "every process is gone")  # noqa: B023
    assert traces() <= before


def catches(status: str, number: signal.Signals) -> bool:
    """Whether a process has a handler for SIGTERM too: for SIGINT Python has one of its own."""
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return all(int(caught.split()[1], 16) >> (each - 1) & 1 for each in (number, signal.SIGTERM))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_kept_it_tells_what_was_seen_when_it_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    picture = tmp_path / "kept.svg"
    process = subprocess.Popen(
        [*LAB, *SMALL, "--drill", "term", "--keep", "--output", str(picture)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    told = []
    while "the lab is kept" not in (line := process.stdout.readline()):
        assert line, process.communicate(timeout=20)[1]
        told.append(line)
    process.send_signal(number)
    rest, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
    assert "planned stop  n" in rest
    assert f"timeline: {picture}" in rest
    assert picture.exists()


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("nosuch/x.svg", "there is no folder"),
        ("/run/x.svg", "a /run of its own"),
    ],
)
def test_where_the_picture_goes_is_looked_at_first(output: str, why: str) -> None:
    begin = time.monotonic()
    done = run("--output", output)
    assert done.returncode == 3
    assert why in done.stderr
    assert time.monotonic() - begin < 5, "before anything is brought up"


def test_killed_it_leaves_nothing_either() -> None:
    before = traces()
    mark = f"kill-{os.getpid()}"
    with running(mark, "--drill", "term") as process:
        process.kill()
        until(lambda: not family(mark), "every process is gone")
    assert traces() <= before


def test_two_labs_run_at_once(tmp_path: Path) -> None:
    labs = [
        subprocess.Popen(
            [*LAB, *SMALL, "--drill", "term", "--json", "--output", str(tmp_path / f"{number}.svg")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    outputs = [lab.communicate(timeout=90)[0] for lab in labs]
    assert [lab.returncode for lab in labs] == [0, 0]
    assert [json.loads(output)["lost"] for output in outputs] == [0, 0]


def test_without_root_it_makes_a_user_namespace(tmp_path: Path) -> None:
    """As another user without any right; files stay readable, because outside it is still root's process."""
    somebody = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    done = subprocess.run(
        [*somebody, *LAB, *SMALL, "--drill", "term", "--json", "--output", str(tmp_path / "term.svg")],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lost"] == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--nodes", "0"),
        ("--nodes", "1"),
        ("--nodes", "x"),
        ("--drill", "explode"),
        ("--profile", "wan"),
        ("--no-such",),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(options: tuple[str, ...]) -> None:
    begin = time.monotonic()
    done = run(*options)
    assert done.returncode == 2
    assert options[0] in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - begin < 20
