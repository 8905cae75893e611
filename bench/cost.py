"""What a speaker costs: memory, idle processor, start to first answer with 500 addresses; and keepalived."""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from tests.system.netns import Namespace
from tests.system.speakers import Lan, lan, until

__all__ = ["busy_seconds", "main", "resident_mb"]


def main(arguments: list[str]) -> None:
    """Print one JSON line for Roost and one for keepalived (when it is installed)."""
    parser = argparse.ArgumentParser(prog="bench cost", description=__doc__)
    parser.add_argument("--vips", type=int, default=500)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--profile", default="default")
    parser.add_argument(
        "--idle", type=float, default=20.0, help="seconds over which idle processor time is taken"
    )
    options = parser.parse_args(arguments)
    vips = [f"198.51.{100 + number // 250}.{1 + number % 250}" for number in range(options.vips)]
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), options.nodes) as nodes:
        print(json.dumps(_roost(nodes, vips, options.idle, options.profile)))
    with tempfile.TemporaryDirectory() as folder, lan(Path(folder), 1) as alone:
        print(json.dumps(_keepalived(alone, vips, options.idle, Path(folder))))


def _roost(nodes: Lan, vips: list[str], idle: float, profile: str) -> dict[str, object]:
    """Several speakers, because membership costs too; the figures are the first one's."""
    services = [{"name": f"s{number}", "addresses": [vip]} for number, vip in enumerate(vips)]
    nodes.configure(services, profile=profile)
    first, *others = nodes.speakers
    begin = time.monotonic()
    first.start()
    until(lambda: nodes.answerers(vips[0], wait=0.02), "the first answer")
    to_first_answer = time.monotonic() - begin
    for other in others:
        other.start()
    nodes.whole()
    assert first.process is not None
    time.sleep(8.0)  # the gratuitous packets of the start have to be over before it counts as idle
    return {
        "bench": "cost",
        "who": f"roost {profile}",
        "nodes": len(nodes.speakers),
        "vips": len(vips),
        "start_to_first_answer_s": round(to_first_answer, 3),
        "rss_mb": round(resident_mb(first.process.pid), 1),
        "idle_cpu_percent": round(_cpu(first.process.pid, idle), 2),
    }


def _keepalived(alone: Lan, vips: list[str], idle: float, folder: Path) -> dict[str, object]:
    node: Namespace = alone.speakers[0].namespace
    addresses = "\n".join(f"    {vip}/32" for vip in vips[1:])
    config = folder / "keepalived.conf"
    config.write_text(
        "vrrp_instance bench {\n  state MASTER\n  interface eth0\n  virtual_router_id 51\n  priority 100\n"
        f"  advert_int 1\n  virtual_ipaddress {{\n    {vips[0]}/32\n  }}\n  "
        f"virtual_ipaddress_excluded {{\n{addresses}\n  }}\n}}\n"
    )
    begin = time.monotonic()
    pids = [folder / name for name in ("k.pid", "v.pid")]
    process = subprocess.Popen(
        [
            "ip",
            "netns",
            "exec",
            node.name,
            "keepalived",
            "-n",
            "-P",
            "-f",
            str(config),
            "-p",
            str(pids[0]),
            "-r",
            str(pids[1]),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: alone.answerers(vips[0], wait=0.02), "keepalived's first answer")
        to_first_answer = time.monotonic() - begin
        time.sleep(8.0)
        family = [process.pid, *_children(process.pid)]
        return {
            "bench": "cost",
            "who": "keepalived",
            "vips": len(vips),
            "start_to_first_answer_s": round(to_first_answer, 3),
            "rss_mb": round(sum(resident_mb(pid) for pid in family), 1),
            "idle_cpu_percent": round(_cpu(family[-1], idle), 2),
        }
    finally:
        process.terminate()
        process.wait(10)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident_mb(pid: int) -> float:
    """Resident memory in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cpu(pid: int, seconds: float) -> float:
    """Percent of one core that the process takes over `seconds`, as the scheduler counts it.

    The ticks in /proc/PID/stat would not do: who wakes on a beat is at work either at every tick or at none.
    """
    before, begin = busy_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (busy_seconds(pid) - before) / (time.monotonic() - begin)


def busy_seconds(pid: int) -> float:
    """Seconds of processor time of all threads, as the scheduler counts it."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
