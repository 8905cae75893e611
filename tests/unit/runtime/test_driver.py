"""One driver arms, wakes and flushes machines."""

import asyncio
from collections.abc import Callable

import pytest

from roost.protocols.machine import Effect
from roost.runtime.driver import Driver


class Said(Effect):
    """An effect with a text."""

    def __init__(self, text: str) -> None:
        self.text = text


class Script:
    """A machine that does what the test says."""

    def __init__(self) -> None:
        self.pending: list[Effect] = []
        self.due: float | None = None
        self.wakes: list[float] = []
        self.asked = 0  # when it wants to be woken
        self.on_wake: Callable[[], None] = lambda: None

    def wake(self, now: float) -> None:
        self.wakes.append(now)
        self.due = None
        self.on_wake()

    def next_wake(self) -> float | None:
        self.asked += 1
        return self.due

    def effects(self) -> list[Effect]:
        taken, self.pending = self.pending, []
        return taken

    def says(self, *texts: str) -> None:
        self.pending += [Said(text) for text in texts]


class Heard:
    """What was carried out, and what is done besides."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.also: dict[str, Callable[[], None]] = {}

    def carry_out(self, effect: Effect) -> None:
        assert isinstance(effect, Said)
        self.texts.append(effect.text)
        self.also.get(effect.text, lambda: None)()


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_it_wakes_the_machine_when_that_wants_and_carries_out_what_follows() -> None:
    machine, heard = Script(), Heard()
    driver = Driver(machine, heard.carry_out)
    machine.says("at the start")
    machine.due = due = now() + 0.02
    machine.on_wake = lambda: machine.says("woken")
    driver.start()
    assert heard.texts == ["at the start"]
    await asyncio.sleep(0.1)
    assert heard.texts == ["at the start", "woken"]
    assert len(machine.wakes) == 1
    assert machine.wakes[0] >= due
    driver.stop()


async def test_a_wake_asks_once_when_the_next_one_is_wanted() -> None:
    """It is the machine's most frequent call, and looks at all its parts."""
    machine = Script()
    driver = Driver(machine, Heard().carry_out)
    machine.due = now()
    machine.on_wake = lambda: machine.says("woken")
    driver.start()
    before = machine.asked
    await asyncio.sleep(0.05)
    assert (len(machine.wakes), machine.asked - before) == (1, 1)
    driver.stop()


async def test_a_call_that_makes_the_machine_due_earlier_moves_the_timer() -> None:
    machine = Script()
    driver = Driver(machine, Heard().carry_out)
    machine.due = now() + 60
    driver.start()
    machine.due = now() + 0.01
    driver.flush()
    await asyncio.sleep(0.1)
    assert len(machine.wakes) == 1
    driver.stop()


async def test_a_timer_that_is_not_needed_any_more_is_taken_back() -> None:
    machine = Script()
    driver = Driver(machine, Heard().carry_out)
    machine.due = now() + 0.01
    driver.start()
    machine.due = None
    driver.flush()
    await asyncio.sleep(0.05)
    assert machine.wakes == []
    driver.stop()


async def test_effects_of_effects_come_after_those_before_them_and_only_once() -> None:
    """Carrying out may call the machine, and whoever does that flushes."""
    machine, heard = Script(), Heard()
    driver = Driver(machine, heard.carry_out)
    driver.start()

    def again() -> None:
        machine.says("nested")
        driver.flush()
        assert heard.texts == ["first"], "the flush that is under way sees to it"

    heard.also["first"] = again
    machine.says("first", "second")
    driver.flush()
    assert heard.texts == ["first", "second", "nested"]
    driver.stop()


async def test_what_has_arrived_is_read_before_the_machine_is_woken() -> None:
    order: list[str] = []
    machine = Script()
    machine.on_wake = lambda: order.append("woken")
    machine.due = now()
    driver = Driver(machine, Heard().carry_out, before_wake=lambda: order.append("read"))
    driver.start()
    await asyncio.sleep(0.05)
    assert order == ["read", "woken"]
    driver.stop()


async def test_a_wake_that_fails_is_reported_and_the_machine_is_woken_again() -> None:
    failures: list[Exception] = []
    machine = Script()

    def fail() -> None:
        machine.due = now() + 0.01 if len(machine.wakes) < 3 else None
        raise RuntimeError("a bug")

    machine.on_wake = fail
    machine.due = now()
    driver = Driver(machine, Heard().carry_out, failed=failures.append)
    driver.start()
    await asyncio.sleep(0.2)
    assert [str(each) for each in failures] == ["a bug"] * 3
    driver.stop()


async def test_an_effect_that_cannot_be_carried_out_does_not_jam_the_driver() -> None:
    machine, heard = Script(), Heard()
    driver = Driver(machine, heard.carry_out)
    driver.start()

    def fail() -> None:
        raise RuntimeError("no such socket")

    heard.also["bad"] = fail
    machine.says("bad")
    with pytest.raises(RuntimeError):
        driver.flush()
    machine.says("good")
    driver.flush()
    assert heard.texts == ["bad", "good"]
    driver.stop()


async def test_before_the_start_and_after_the_end_nothing_happens() -> None:
    machine, heard = Script(), Heard()
    driver = Driver(machine, heard.carry_out)
    machine.says("too early")
    driver.flush()
    assert heard.texts == []
    driver.start()
    assert heard.texts == ["too early"]
    machine.due = now()
    driver.flush()
    driver.stop()
    machine.says("too late")
    driver.flush()
    await asyncio.sleep(0.05)
    assert heard.texts == ["too early"]
    assert machine.wakes == []


async def test_a_machine_that_is_always_due_leaves_time_for_others() -> None:
    machine = Script()

    def due_again() -> None:
        machine.due = 0.0

    machine.on_wake = due_again
    machine.due = 0.0
    driver = Driver(machine, Heard().carry_out)
    driver.start()
    await asyncio.sleep(0.1)
    driver.stop()
    assert 1 <= len(machine.wakes) <= 110


async def test_what_a_wake_asked_for_is_carried_out_with_it() -> None:
    script, heard = Script(), Heard()
    order: list[str] = []

    def read() -> None:
        order.append("read")
        script.says("on reading")
        driver.flush()
        assert heard.texts == [], "the wake sees to it"

    def answers() -> None:
        order.append(f"after {heard.texts}")
        script.says("on an answer")
        driver.flush()

    driver = Driver(script, heard.carry_out, before_wake=read, after_wake=answers)
    driver.start()
    script.on_wake = lambda: script.says("on the wake")
    script.due = now()
    driver.flush()
    await asyncio.sleep(0.02)
    assert order == ["read", "after ['on reading', 'on the wake']"]
    assert heard.texts == ["on reading", "on the wake", "on an answer"]
    driver.stop()


async def test_a_timer_that_has_become_much_too_early_is_set_again() -> None:
    script, heard = Script(), Heard()
    driver = Driver(script, heard.carry_out)
    driver.start()
    script.due = now() + 0.02
    driver.flush()
    script.due = now() + 30.0
    driver.flush()
    await asyncio.sleep(0.06)
    assert script.wakes == []
    driver.stop()
