"""Lines of the log as people and programs read them."""

import json
import logging
from collections.abc import Iterator

import pytest

from roost.observe.logs import configure


@pytest.fixture(autouse=True)
def undo() -> Iterator[None]:
    ours, loops = logging.getLogger("roost"), logging.getLogger("asyncio")
    before = ours.handlers[:], ours.level, ours.propagate, loops.handlers[:]
    yield
    ours.handlers[:], ours.level, ours.propagate, loops.handlers[:] = before


FACTS = {"from": None, "to": "n2", "why": 'it "came"', "changed": ""}


def test_people_read_a_fact_after_the_other_and_none_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "human")
    logging.getLogger("roost.x").info("lead moved", extra=FACTS)
    line = capsys.readouterr().err
    assert line.endswith('info    lead moved from=none to=n2 why="it \\"came\\"" changed=""\n')


def test_programs_read_null_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    logging.getLogger("roost.x").info("lead moved", extra=FACTS)
    said = json.loads(capsys.readouterr().err)
    assert {key: said[key] for key in FACTS} == FACTS
    assert (said["level"], said["message"]) == ("info", "lead moved")


def test_a_text_from_elsewhere_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "human")
    logging.getLogger("roost.x").info("unfit", extra={"output": "\x1b[31mred", "why": "größer\u202e"})
    line = capsys.readouterr().err
    assert line.endswith('unfit output="\\u001b[31mred" why="gr\\u00f6\\u00dfer\\u202e"\n')
