"""What the kernel tells by itself: processes, files, links. All of it happens on this host, in moments."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roost.model.check import Check, Command, Interface, NumberFile, Process, Result, Subject, TcpPort
from roost.model.link import Link
from roost.runtime.checks import processes
from roost.runtime.checks.runner import Runner

pytestmark = pytest.mark.timeout(30)

NAME = f"roost-{os.getpid() % 100_000:05}"  # of processes that nobody else has
LONG = f"{NAME}-with-a-long-name"


class Watched:
    """A runner, and the results that it has reported."""

    def __init__(self) -> None:
        self.results: list[tuple[Check, Result]] = []
        self.runner = Runner(lambda check, result: self.results.append((check, result)))

    def follow(self, subject: Subject, interval: float = 60.0) -> None:
        self.runner.follow([Check(subject, interval=interval, timeout=0.5)])

    async def until(self, fits: Callable[[Result], bool], within: float = 5.0) -> Result:
        """Wait for the latest result to fit; that took less than the interval, so the kernel told it."""
        end = time.monotonic() + within
        while not (self.results and fits(self.results[-1][1])):
            assert time.monotonic() < end, self.results[-3:]
            await asyncio.sleep(0.005)
        return self.results[-1][1]

    async def until_well(self) -> Result:
        return await self.until(lambda result: result.ok)

    async def until_ill(self) -> Result:
        return await self.until(lambda result: not result.ok)


@pytest.fixture
async def watched() -> "Watched":
    return Watched()


@pytest.fixture(autouse=True)
async def end(watched: Watched) -> "object":
    yield
    watched.runner.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start processes that bear the names they are asked to."""
    begun: list[subprocess.Popen[bytes]] = []

    def run(name: str) -> subprocess.Popen[bytes]:
        program = tmp_path / name
        if not program.exists():
            program.symlink_to("/bin/sleep")
        begun.append(subprocess.Popen([str(program), "1000"]))
        return begun[-1]

    yield run
    for process in begun:
        process.kill()
        process.wait()


def finish(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.mark.parametrize("name", [NAME, LONG], ids=["short", "long"])
async def test_a_process_by_its_name(
    watched: Watched, start: Callable[[str], subprocess.Popen[bytes]], name: str
) -> None:
    watched.follow(Process(name=name))
    assert watched.results[0][1] == Result(ok=False, why=f"no process is called {name}")
    process = start(name)
    assert (await watched.until_well()).why.endswith(f"process {process.pid}")
    finish(process)
    await watched.until_ill()
    start(name)
    await watched.until_well()


async def test_of_two_processes_of_a_name_one_is_enough(
    watched: Watched, start: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    one, two = start(NAME), start(NAME)
    await asyncio.sleep(0.1)  # until both are what they are to be
    watched.follow(Process(name=NAME))
    finish(one)
    await watched.until(lambda result: result.why.endswith(f"process {two.pid}"))
    assert all(result.ok for _, result in watched.results)
    finish(two)
    await watched.until_ill()


async def test_a_process_that_nobody_has_waited_for_has_ended(
    watched: Watched, start: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    process = start(NAME)
    await asyncio.sleep(0.1)
    watched.follow(Process(name=NAME))
    process.kill()  # a zombie, until `wait`
    await watched.until_ill()


async def test_a_process_by_its_pid_file(
    watched: Watched, start: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    pid_file = tmp_path / "run" / "server.pid"
    watched.follow(Process(pid_file=str(pid_file)), interval=0.2)
    assert watched.results[0][1].why == "its pid file: No such file or directory"
    pid_file.parent.mkdir()
    process = start(NAME)
    pid_file.write_text(f"{process.pid}\n")
    await watched.until_well()
    finish(process)
    assert (await watched.until_ill()).why == f"process {process.pid} has ended"
    other = start(NAME)
    written = tmp_path / "run" / "new.pid"
    written.write_text(str(other.pid))
    written.rename(pid_file)
    assert (await watched.until_well()).why.endswith(f"process {other.pid}")
    pid_file.unlink()
    await watched.until_ill()


async def test_a_pid_file_that_is_written_is_read_at_once(
    watched: Watched, start: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    pid_file = tmp_path / "server.pid"
    pid_file.write_text("none")
    watched.follow(Process(pid_file=str(pid_file)))
    assert watched.results[0][1].why == "its pid file holds no process id"
    pid_file.write_text(str(start(NAME).pid))
    await watched.until_well()


async def test_a_process_that_has_taken_an_old_pid_is_another_one(watched: Watched, tmp_path: Path) -> None:
    pid_file = tmp_path / "server.pid"
    pid_file.write_text(str(os.getpid()))
    os.utime(pid_file, (1_000_000_000, 1_000_000_000))
    watched.follow(Process(pid_file=str(pid_file)))
    assert watched.results[0][1].why.startswith(f"its pid file is old: {os.getpid()} is ")


async def test_the_number_in_a_file(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "weight"
    watched.follow(NumberFile(str(path)))
    assert watched.results[0][1] == Result(ok=False, why="No such file or directory")
    path.write_text("-20\n")
    assert (await watched.until_well()).weight == -20
    (tmp_path / "new").write_text("7")
    (tmp_path / "new").rename(path)
    await watched.until(lambda result: result.weight == 7)
    path.write_text("heavy")
    assert await watched.until_ill() == Result(ok=False, why="it holds no whole number", output="heavy")
    path.write_text("1001")
    await watched.until(lambda result: result.why == "1001 is not from -1000 to 1000")
    path.write_text("1")
    await watched.until_well()
    path.unlink()
    await watched.until_ill()
    path.write_text("")
    await watched.until(lambda result: result.why == "it holds no whole number")


async def test_a_file_in_a_folder_that_comes_later(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "later" / "weight"
    watched.follow(NumberFile(str(path)), interval=0.1)
    path.parent.mkdir()
    path.write_text("5")
    await watched.until(lambda result: result.weight == 5)


def link(name: str = "eth1", *, up: bool = True, carrier: bool = True) -> Link:
    return Link(3, name, bytes(6), up=up, carrier=carrier, broadcast=True, no_arp=False, loopback=False)


async def test_an_interface(watched: Watched) -> None:
    watched.runner.take_links((link("eth0"),))
    watched.follow(Interface("eth1"))
    states: list[tuple[Link, ...]] = [(link(),), (link(carrier=False),), (link(up=False, carrier=False),), ()]
    for links in states:
        watched.runner.take_links((link("eth0"), *links))
        watched.runner.take_links((link("eth0"), *links))
    assert [result.why for _, result in watched.results] == [
        "there is no such interface",
        "it is up",
        "it has no carrier",
        "it is down",
        "there is no such interface",
    ]


async def test_what_goes_on_is_reported_again_every_interval(watched: Watched) -> None:
    watched.follow(Interface("eth1"), interval=0.05)
    await asyncio.sleep(0.4)
    assert 3 <= len(watched.results) <= 9


async def test_each_check_has_its_own_rhythm_and_none_is_made_twice(watched: Watched, tmp_path: Path) -> None:
    """One hangs: that costs the others nothing."""
    runs = tmp_path / "runs"
    quick = Check(Command(("sh", "-c", f"echo >> {runs}")), interval=0.1, timeout=2.0)
    hangs = [Check(Command(("sleep", "1000", str(number))), interval=0.1, timeout=0.5) for number in range(3)]
    closed = Check(TcpPort("127.0.0.1", 1), interval=0.1, timeout=0.5)
    for _ in range(3):
        watched.runner.follow([quick, *hangs, closed])
    await asyncio.sleep(1.2)
    found = {check: [found for of, found in watched.results if of == check] for check in (quick, *hangs)}
    assert len(runs.read_text().splitlines()) >= len(found[quick]) >= 4
    assert all(result.ok for result in found[quick])
    for hanging in hangs:
        assert 1 <= len(found[hanging]) <= 3
        assert found[hanging][0].why == "killed: it took longer than 0.5 s"
    watched.runner.follow([closed])
    await asyncio.sleep(0.1)
    watched.results.clear()
    await asyncio.sleep(0.4)
    assert {check for check, _ in watched.results} == {closed}


async def test_more_programs_than_may_run_at_once_have_their_turns(watched: Watched) -> None:
    many = [
        Check(Command((sys.executable, "-c", "pass", str(number))), interval=60.0, timeout=20.0)
        for number in range(40)
    ]
    watched.runner.follow(many)
    end = time.monotonic() + 20
    while len(watched.results) < 40:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    assert all(result.ok for _, result in watched.results)


async def test_where_others_are_hidden_a_pid_file_does_and_a_name_says_why_not(
    watched: Watched,
    start: Callable[[str], subprocess.Popen[bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As under ProtectProc=invisible, for a speaker with a user of its own."""
    monkeypatch.setattr(processes, "_sees_others", lambda: False)
    monkeypatch.setattr(processes, "_running", lambda _: None)
    watched.follow(Process(name=NAME))
    assert "ProtectProc" in watched.results[0][1].why
    process = start(NAME)
    (tmp_path / "pid").write_text(str(process.pid))
    watched.follow(Process(pid_file=str(tmp_path / "pid")))
    await watched.until_well()
    finish(process)
    await watched.until_ill()
