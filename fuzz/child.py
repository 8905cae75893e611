"""One target under libFuzzer, in a process of its own: `python -m fuzz.child MODULE NAME FOLDER SECONDS`.

FOLDER gets `corpus/` with all inputs that reached something new, `crash-*` for an error that may not escape,
and `slow-*` for the slowest inputs, which the parent measures again without the instruments.
"""

import heapq
import os
import sys
from hashlib import sha1
from importlib import import_module
from pathlib import Path
from typing import Final

import atheris

_SLOWEST: Final = 8
_HANGS: Final = 10  # seconds after which libFuzzer ends an input
_RESIDENT: Final = 700  # MiB, with all modules and instruments


def main() -> None:
    """Fuzz until the time is over; libFuzzer ends the process."""
    module, name, folder, seconds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    with atheris.instrument_imports(include=["roost", module]):
        found = {each.name: each for each in import_module(module).TARGETS}
    target = found[name]
    from fuzz.target import judge  # noqa: PLC0415 - as above

    slowest: list[tuple[float, bytes]] = []

    def one(data: bytes) -> None:
        took = judge(target, data)
        if len(slowest) < _SLOWEST or took > slowest[0][0]:
            _note(slowest, took, data, folder)

    options = {
        "max_total_time": seconds,
        "max_len": target.longest,
        "timeout": _HANGS,
        "rss_limit_mb": _RESIDENT,
        "artifact_prefix": f"{folder}{os.sep}",
        "print_final_stats": 1,
        "use_value_profile": 1,
    }
    atheris.Setup([name, str(folder / "corpus"), *(f"-{key}={each}" for key, each in options.items())], one)
    atheris.Fuzz()


def _note(slowest: list[tuple[float, bytes]], took: float, data: bytes, folder: Path) -> None:
    """Keep an input among the slowest ones, on disk too: this process may not end well."""
    (folder / f"slow-{sha1(data).hexdigest()}").write_bytes(data)
    if len(slowest) < _SLOWEST:
        heapq.heappush(slowest, (took, data))
        return
    _, out = heapq.heapreplace(slowest, (took, data))
    if all(out != each for _, each in slowest):
        (folder / f"slow-{sha1(out).hexdigest()}").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
