"""`make fuzz MINUTES=n [TARGET=name]`: fuzz one target after the other, and tell what came of it."""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Final

from fuzz import corpus
from fuzz.target import FoundError, Target, cost
from fuzz.targets import module_of, targets

WORK: Final = Path("build/fuzz")
CASES: Final = Path(__file__).parent / "cases.json"
_PLANTED: Final = "planted"
_END: Final = 120  # seconds that a child may take beyond its time
_COUNTED: Final = re.compile(r"stat::number_of_executed_units: *(\d+)|^#(\d+)\s", re.MULTILINE)
_COVERED: Final = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one target: inputs tried, places in the code reached, the slowest input in ms."""

    cases: int
    covered: int
    slowest: float
    findings: Sequence[str]


def main() -> int:
    """Run the command; 1 when there is a finding."""
    options = _options()
    chosen = options.target or [name for name in targets() if name != _PLANTED]
    if unknown := set(chosen) - targets().keys():
        print(
            f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(targets())}", file=sys.stderr
        )
        return 2
    each = max(1, int(options.minutes * 60 / len(chosen)))
    print(f"{'target':14} {'cases':>12} {'places':>7} {'slowest':>9}  parser", flush=True)
    found = 0
    for name in chosen:
        result = fuzz(targets()[name], each, WORK / name)
        if options.count:
            add({name: result.cases})
        numbers = f"{result.cases:12,} {result.covered:7,} {result.slowest:6.2f} ms"
        row = f"{name:14} {numbers}  {targets()[name].parser}"
        print("\n".join((row, *(f"    FINDING {each}" for each in result.findings))), flush=True)
        if options.keep:
            keep(targets()[name], WORK / name)
        found += len(result.findings)
    return 1 if found else 0


def fuzz(target: Target, seconds: int, work: Path) -> Result:
    """Fuzz a target for so long; `work` keeps its corpus from run to run, and its findings."""
    inputs = work / "corpus"
    inputs.mkdir(parents=True, exist_ok=True)
    for data in corpus.read(target.name):
        _keep_in(inputs, data)
    for old in (*work.glob("slow-*"), *_mended(target, work)):
        old.unlink()
    command = [
        sys.executable,
        "-m",
        "fuzz.child",
        module_of(target.name),
        target.name,
        str(work),
        str(seconds),
    ]
    with (work / "log").open("w+", errors="replace") as log:
        done = subprocess.run(command, stdout=log, stderr=log, timeout=seconds + _END, check=False)
        log.seek(0)
        said = log.read()
    slowest, findings = _slowest(target, work)
    findings += [f"{each}: {_why(target, each)}" for each in sorted(work.glob("crash-*"))]
    findings += [f"{each}: more than 10 s, or too much memory" for each in _grave(work)]
    if done.returncode and not findings:
        findings.append(f"the fuzzer ended with {done.returncode}: see {work / 'log'}")
    covered = [int(each[0]) for each in _COVERED.findall(said)]
    return Result(_cases(said), max(covered, default=0), slowest * 1000, findings)


def keep(target: Target, work: Path) -> None:
    """Take the inputs that reach new lines into the corpus of the tree."""
    inputs = [each.read_bytes() for each in (work / "corpus").iterdir()]
    corpus.write(target.name, corpus.least(target, [*inputs, *corpus.read(target.name)]))


def add(cases: Mapping[str, int]) -> None:
    """Count cases in the tree's file, over all runs."""
    known = json.loads(CASES.read_text()) if CASES.exists() else {}
    total = {name: known.get(name, 0) + cases.get(name, 0) for name in sorted(known.keys() | cases.keys())}
    CASES.write_text(json.dumps(total, indent=1) + "\n")


def _cases(said: str) -> int:
    """Return how many inputs a log of libFuzzer's says were tried."""
    return max((int(total or sofar) for total, sofar in _COUNTED.findall(said)), default=0)


def _slowest(target: Target, work: Path) -> tuple[float, list[str]]:
    """Measure the slowest inputs without the fuzzer's instruments; those beyond the limit are findings."""
    slowest, findings = 0.0, []
    for file in sorted(work.glob("slow-*")):
        try:
            slowest = max(slowest, cost(target, file.read_bytes()))
        except FoundError as finding:
            slowest = max(slowest, finding.seconds)
            findings.append(f"{file}: {finding}")
    return slowest, findings


def _why(target: Target, file: Path) -> str:
    try:
        cost(target, file.read_bytes())
    except FoundError as finding:
        return str(finding)
    return "it does not fail again"


def _mended(target: Target, work: Path) -> Iterator[Path]:
    """Yield findings of earlier runs that are none any more; they stay in the corpus."""
    for file in (*work.glob("crash-*"), *_grave(work)):
        data = file.read_bytes()
        try:
            cost(target, data)
        except FoundError:
            continue
        _keep_in(work / "corpus", data)
        yield file


def _grave(work: Path) -> Iterator[Path]:
    for kind in ("timeout-*", "oom-*"):
        yield from sorted(work.glob(kind))


def _keep_in(folder: Path, data: bytes) -> None:
    (folder / sha1(data).hexdigest()).write_bytes(data)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="for all targets together")
    parser.add_argument("--target", action="append", help="only this one; several times")
    parser.add_argument("--keep", action="store_true", help="take new inputs into fuzz/corpus, minimised")
    parser.add_argument("--count", action="store_true", help="add the cases to fuzz/cases.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
