"""Overlapping faults on real speakers, watched from outside: how long an address is silent or answered twice.

A watcher on the same bridge asks for every address each 40 ms by broadcast ARP and notes every answer; a
client pings. Faults are drawn from a seed (or replayed from a file), each beginning while older ones still
last; some node is always up, linked and unfrozen. A silence counts only as far as one and the same node was
well all along. Exit code 1: an address was silent for more than 0.5 s, or answered twice for more than 1.0 s.
Schedules that were bad once are kept in tests/schedules.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.system.netns import Namespace, network
from tests.system.pinging import echo
from tests.system.speakers import Lan

from bench.soak.daemons import Daemon, Keepalived, Roost
from bench.soak.driver import Driver
from bench.soak.report import Seen, judge, text
from bench.soak.schedule import KINDS, Fault, draw, excerpt, load, save

__all__ = ["main"]

_INTERVAL: Final = 0.04  # seconds between two questions for one address
_PINGS: Final = 0.02
_QUIET: Final = 5.0  # seconds of watching after the last fault
_LONGEST: Final = 3600.0
_WATCHER: Final = "192.0.2.102"


def main(arguments: list[str]) -> None:
    """Print what was found; exit 1 when a limit was passed."""
    options = _options(arguments)
    if options.peer == "keepalived" and (missing := Keepalived.missing()):
        print(f"skipped: {missing}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the namespaces are taken away
    names = [f"n{number}" for number in range(1, options.nodes + 1)]
    kinds = options.only.split(",") if options.only else list(KINDS)
    schedule = (
        load(options.schedule) if options.schedule else draw(options.seed, options.seconds, names, kinds)
    )
    if options.window:
        schedule = excerpt(schedule, *options.window)
    if options.write_schedule:
        save(options.write_schedule, schedule)
    applicable = Keepalived.kinds if options.peer == "keepalived" else KINDS  # of one schedule for both
    schedule = [fault for fault in schedule if fault.kind in applicable and fault.node in names]
    with tempfile.TemporaryDirectory() as folder:
        result = _run(options, schedule, options.log or Path(folder))
    if options.log:
        (options.log / "soak.json").write_text(json.dumps(result))
    print(json.dumps(result) if options.json else text(result))
    sys.exit(1 if result["failed"] else 0)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=240.0, help="of faults")
    parser.add_argument("--seed", type=int, default=None, help="of the faults; default: the clock's")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--addresses", type=int, default=4, help="each a service of its own, 40 at most")
    parser.add_argument("--profile", default="default", choices=("default", "fast"))
    parser.add_argument("--src", type=Path, default=Path("src"), help="PYTHONPATH of the speakers")
    parser.add_argument("--log", type=Path, help="folder for the logs of the speakers and the record")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help=f"draw only these, with commas between: {','.join(KINDS)}")
    parser.add_argument("--schedule", type=Path, help="replay this file instead of drawing")
    parser.add_argument(
        "--window", type=float, nargs=2, metavar=("FROM", "TO"), help="only these seconds of the schedule"
    )
    parser.add_argument("--write-schedule", type=Path, metavar="FILE", help="write what was drawn")
    parser.add_argument("--peer", choices=("roost", "keepalived"), default="roost")
    parser.add_argument(
        "--advert", type=float, default=1.0, help="keepalived's seconds between advertisements"
    )
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = time.time_ns() % 1_000_000
    if not (2 <= options.nodes <= 20 and 1 <= options.addresses <= 40 and 1 <= options.seconds <= _LONGEST):
        parser.error("at most 20 nodes, 40 addresses, an hour")
    if unknown := set(filter(None, options.only.split(","))) - KINDS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    if options.log:
        options.log.mkdir(parents=True, exist_ok=True)
    return options


def _run(options: argparse.Namespace, schedule: Sequence[Fault], folder: Path) -> dict[str, Any]:
    vips = [f"192.0.2.{200 + number}" for number in range(options.addresses)]
    end = max([0.0, *(fault.at + fault.length for fault in schedule)]) + _QUIET
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        net = stack.enter_context(network())
        watcher = net.add("watch")
        lan = Lan(net, folder, options.nodes, watcher)
        watcher.ip(f"addr add {_WATCHER}/24 dev eth0")
        daemon: Daemon = (
            Keepalived(lan, vips, options.advert)
            if options.peer == "keepalived"
            else Roost(lan, vips, options.profile, options.src)
        )
        stack.enter_context(echo(lan))
        driver = Driver(lan, daemon)
        stack.callback(driver.close)
        driver.start()
        daemon.ready(lan, vips)
        files = folder / "watch.json", folder / "pings.json"
        ask = ("bench.soak.watch", str(files[0]), _WATCHER, str(_INTERVAL), str(end + 60), *vips)
        ping = ("roost.lab.client", str(files[1]), str(_PINGS), "7", *vips)
        with _inside(watcher, *ask), _inside(lan.client, *ping):
            time.sleep(1.0)
            begin = time.time()
            driver.run(schedule, end)
        macs = {speaker.namespace.mac("eth0").hex(":"): speaker.name for speaker in lan.speakers}
    seen = Seen(
        json.loads(files[0].read_text()),
        _on_wall_clock(json.loads(files[1].read_text())),
        driver.record,
        macs,
        begin,
        _INTERVAL,
    )
    run = {
        "who": daemon.name,
        "seed": None if options.schedule else options.seed,
        "schedule": str(options.schedule or ""),
        "faults": len(schedule),
        "skipped": len(driver.skipped),
        "load": [round(load_before, 1), round(os.getloadavg()[0], 1)],
    }
    return run | judge(seen)


def _on_wall_clock(
    pings: Mapping[str, tuple[list[float], list[str]]],
) -> dict[str, tuple[list[float], list[str]]]:
    """The client's clock is another one than that of the kernel's stamps and of the logs."""
    offset = time.time() - time.monotonic()
    return {vip: ([when + offset for when in sent], who) for vip, (sent, who) in pings.items()}


@contextmanager
def _inside(namespace: Namespace, *module: str) -> Iterator[None]:
    process = subprocess.Popen(
        ["ip", "netns", "exec", namespace.name, sys.executable, "-m", *module],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)
    finally:
        process.kill()
        process.wait()
