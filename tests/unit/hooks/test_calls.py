"""Calls of hooks: order, arguments, time limits, and what is left out when calls lag behind."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from roost.hooks.calls import Calls, arguments, environment
from roost.model.hook import Hook
from roost.model.role import Change, Role
from roost.runtime.programs import Outcome

LEADING, STANDBY, UNFIT, STOPPED = Role.LEADING, Role.STANDBY, Role.UNFIT, Role.STOPPED
GOOD, LATE = Outcome(0, "exited with 0"), Outcome(None, "killed", late=True)
WEB = Change("web", LEADING, STANDBY, (ip_address("192.0.2.1"), ip_address("2001:db8::1")), 120)


def turns(count: int, service: str = "web") -> list[Change]:
    """`count` changes, each following on the one before."""
    roles = [(LEADING, STANDBY)[number % 2] for number in range(count)]
    return [Change(service, role, before) for role, before in zip(roles, [None, *roles], strict=False)]


def runs(pid: str) -> bool:
    """Tell whether a process is there, and no corpse that nobody has buried yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Programs:
    """Programs that are noted, and end when they are let: by themselves unless `held`."""

    def __init__(self) -> None:
        self.called: list[tuple[str, ...]] = []
        self.running = 0
        self.most = 0
        self.held = asyncio.Event()
        self.held.set()
        self.outcome = GOOD

    async def run(self, command: Sequence[str], limit: float, more: Mapping[str, str]) -> Outcome:
        self.called.append(tuple(command))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.held.wait()
        finally:
            self.running -= 1
        return self.outcome


def test_three_forms_of_arguments() -> None:
    own = ("/etc/n.sh", "-v")
    assert arguments(Hook(own), WEB, "n1") == (*own, "web", "leading", "standby", "n1")
    first = Change("web", STOPPED, None)
    assert arguments(Hook(own), first, "n1") == (*own, "web", "stopped", "-", "n1")
    theirs = Hook(own, arguments="keepalived")
    assert arguments(theirs, WEB, "n1") == (*own, "INSTANCE", "web", "MASTER", "120")
    words = [arguments(theirs, Change("web", role, None), "n1")[-2] for role in (STANDBY, UNFIT, STOPPED)]
    assert words == ["BACKUP", "FAULT", "STOP"]
    assert arguments(Hook(own, arguments="none"), WEB, "n1") == own


def test_the_environment_says_all_of_it() -> None:
    assert environment(WEB, "n1") == {
        "ROOST_SERVICE": "web",
        "ROOST_STATE": "leading",
        "ROOST_PREVIOUS": "standby",
        "ROOST_NODE": "n1",
        "ROOST_ADDRESSES": "192.0.2.1 2001:db8::1",
        "ROOST_PRIORITY": "120",
    }


async def test_hooks_are_called_in_their_order_for_what_they_want() -> None:
    programs = Programs()
    hooks = [
        Hook(("all",)),
        Hook(("leads",), on=frozenset({LEADING})),
        Hook(("other",), services=frozenset({"db"})),
        Hook(("last",), services=frozenset({"web"})),
    ]
    calls = Calls("n1", hooks, programs.run)
    for change in turns(2):
        calls.became(change)
    await calls.idle()
    assert [command[0] for command in programs.called] == ["all", "leads", "last", "all", "last"]


async def test_one_at_a_time_for_a_service_and_others_beside_it() -> None:
    programs = Programs()
    programs.held.clear()
    calls = Calls("n1", [Hook(("a",))], programs.run)
    for name in ("web", "db"):
        for change in turns(3, name):
            calls.became(change)
    while programs.running < 2:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert programs.running == 2
    programs.held.set()
    await calls.idle()
    for name in ("web", "db"):
        assert [each[2] for each in programs.called if each[1] == name] == ["leading", "standby", "leading"]


async def test_a_storm_of_services_is_no_storm_of_programs() -> None:
    programs = Programs()
    calls = Calls("n1", [Hook(("a",))], programs.run)
    for number in range(100):
        calls.became(Change(f"s{number}", LEADING, None))
    await calls.idle()
    assert len(programs.called) == 100
    assert programs.most <= 16


async def test_after_a_kill_the_last_state_is_told_and_what_it_overtook_is_not() -> None:
    programs = Programs()
    programs.held.clear()
    programs.outcome = LATE
    calls = Calls("n1", [Hook(("a",))], programs.run)
    for change in turns(8):  # leading first, standby last
        calls.became(change)
    while not programs.called:
        await asyncio.sleep(0.001)
    programs.held.set()
    await calls.idle()
    assert [each[2:4] for each in programs.called] == [("leading", "-"), ("standby", "leading")]
    assert calls.failures == 2


async def test_what_waits_is_bounded_and_still_a_chain() -> None:
    programs = Programs()
    programs.held.clear()
    calls = Calls("n1", [Hook(("a",))], programs.run)
    for change in turns(5000):
        calls.became(change)
    await asyncio.sleep(0.01)
    programs.held.set()
    await calls.idle()
    assert len(programs.called) <= 1025
    states = [each[2] for each in programs.called]
    assert states[-1] == "standby"
    assert [each[3] for each in programs.called] == ["-", *states[:-1]]


async def test_a_reload_changes_what_is_called_next() -> None:
    programs = Programs()
    calls = Calls("n1", [Hook(("old",))], programs.run)
    first, second = turns(2)
    calls.became(first)
    await calls.idle()
    calls.configure([Hook(("new",))])
    calls.became(second)
    await calls.idle()
    assert [command[0] for command in programs.called] == ["old", "new"]


async def test_a_service_that_a_reload_ends_is_stopped_with_the_hooks_that_it_had() -> None:
    programs = Programs()
    calls = Calls("n1", [Hook(("old",), services=frozenset({"web"}))], programs.run)
    calls.became(turns(1)[0])
    calls.configure([], leaving=["web"])
    calls.became(Change("web", STOPPED, LEADING))
    calls.became(Change("web", LEADING, None))
    await calls.idle()
    assert [each[2] for each in programs.called] == ["leading", "stopped"]


async def test_the_end_waits_a_while_and_then_kills() -> None:
    programs = Programs()
    programs.held.clear()
    calls = Calls("n1", [Hook(("a",))], programs.run)
    calls.became(turns(1)[0])
    await calls.close(within=0.05)
    assert programs.called
    assert programs.running == 0


# -- real programs -------------------------------------------------------------------------------


async def test_a_thousand_changes_in_exact_order(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = tmp_path / "hook.sh"
    script.write_text(f'#!/bin/sh\necho "$2 $3 $ROOST_STATE" >> {told}\n')
    script.chmod(0o755)
    calls = Calls("n1", [Hook((str(script),))])
    changes = turns(1000)
    for change in changes:
        calls.became(change)
    await calls.idle()
    words = [
        f"{each.role.value} {each.before.value if each.before else '-'} {each.role.value}" for each in changes
    ]
    assert told.read_text().splitlines() == words
    assert calls.failures == 0


async def test_a_hook_that_hangs_is_killed_with_its_children_and_costs_the_loop_nothing(
    tmp_path: Path,
) -> None:
    pids = tmp_path / "pids"
    script = tmp_path / "hook.sh"
    script.write_text(f"#!/bin/sh\nsleep 60 &\necho $! $$ >> {pids}\nwait\n")
    script.chmod(0o755)
    calls = Calls("n1", [Hook((str(script),), timeout=0.5)])
    calls.became(turns(1)[0])
    done = asyncio.ensure_future(calls.idle())
    turns_of_the_loop = 0
    while not done.done():
        await asyncio.sleep(0.01)
        turns_of_the_loop += 1
    assert turns_of_the_loop > 10
    await asyncio.sleep(0.1)
    assert [pid for pid in pids.read_text().split() if runs(pid)] == []


async def test_output_goes_to_the_log_and_no_further_than_a_bound(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "roost.hooks")
    calls = Calls(
        "n1", [Hook(("/bin/sh", "-c", "yes | head -c 100000; echo; echo 'the\x1b[31m end'; exit 3"))]
    )
    calls.became(turns(1)[0])
    await calls.idle()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.__dict__["ended"] == "exited with 3"
    assert record.__dict__["output"].endswith("the?[31m end")
    assert len(record.__dict__["output"]) <= 1000


async def test_a_program_that_is_not_there_is_said_and_the_next_is_called(tmp_path: Path) -> None:
    told = tmp_path / "told"
    calls = Calls("n1", [Hook((f"{tmp_path}/none",)), Hook(("/bin/sh", "-c", f"echo x > {told}"))])
    calls.became(turns(1)[0])
    await calls.idle()
    assert calls.failures == 1
    assert told.read_text() == "x\n"
