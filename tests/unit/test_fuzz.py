"""The corpus of every fuzzing target, run through once; and whether a fault would be found at all."""

import json
import re
import time
import tracemalloc
from pathlib import Path

import pytest
from fuzz import corpus
from fuzz.__main__ import CASES, fuzz, keep
from fuzz.target import LIMIT, MEMORY, FoundError, Target, cost, judge
from fuzz.targets import targets

TRUST = Path("docs/explanation/trust.md")


@pytest.mark.parametrize("name", [name for name in targets() if name != "planted"])
def test_a_corpus(name: str) -> None:
    target, inputs = targets()[name], corpus.read(name)
    assert inputs, "every target has a corpus"
    for data in inputs:
        cost(target, data)
    tracemalloc.start()
    try:
        for data in inputs[-10:]:  # the longest
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            judge(target, data)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before <= MEMORY, data[:100]
    finally:
        tracemalloc.stop()


def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    """Four bytes have to be right, one after the other: by chance that takes some billion inputs."""
    target = targets()["planted"]
    result = fuzz(target, 20, tmp_path)
    assert any("the fault that was planted" in each for each in result.findings)
    assert result.cases < 1_000_000
    (crash,) = tmp_path.glob("crash-*")
    assert crash.read_bytes().startswith(b"roos")


def test_errors_that_may_not_escape_and_slow_inputs_are_found() -> None:
    def parse(data: bytes) -> None:
        if data == b"slow":
            end = time.thread_time() + 2 * LIMIT
            while time.thread_time() < end:
                pass
        int(data)

    target = Target("test", "here", parse, (ValueError,))
    assert cost(target, b"x") < LIMIT
    with pytest.raises(FoundError, match=r"slow|take"):
        cost(target, b"slow")
    with pytest.raises(FoundError, match="ValueError: invalid literal"):
        judge(Target("test", "here", parse), b"x")


def test_a_corpus_is_few_and_short_inputs_for_all_ways(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inputs = corpus.read("arp")
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    work = tmp_path / "work"
    (work / "corpus").mkdir(parents=True)
    target = targets()["arp"]
    known = corpus.least(target, [*inputs, b"\0" * 200, b"\0" * 100])
    assert 2 <= len(known) < 10
    for at, data in enumerate([*known, b"\1" * 300]):
        (work / "corpus" / str(at)).write_bytes(data)
    keep(target, work)
    assert sorted(corpus.read("arp")) == sorted(known)


def test_the_cases_that_are_told_are_those_that_were_counted() -> None:
    counted = json.loads(CASES.read_text())
    told = re.search(r"([\d,]+) cases so far", TRUST.read_text())
    assert told is not None
    assert int(told[1].replace(",", "")) == sum(counted.values())
    assert counted.keys() <= targets().keys()
    for name, target in targets().items():
        assert name == "planted" or f"| `{name}` | `{target.parser}`" in TRUST.read_text()
