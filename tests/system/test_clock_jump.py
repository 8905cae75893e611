"""The wall clock jumps by a day while connections are passed on: nothing that lasts is measured by it."""

import os
import signal
import struct
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from tests.system.connections import Connections, serve
from tests.system.netns import NETNS
from tests.system.speakers import Speaker, lan, until
from tests.system.test_drain import roost

pytestmark = NETNS

VIP, VIP6 = "192.0.2.200", "2001:db8::200"
DAY = 86_400  # seconds
# Between a process and its C library: the machine's own clock is everybody's.
SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long long *ahead;
__attribute__((constructor)) static void begin(void)
{
	int file = open(getenv("AHEAD"), O_RDONLY);
	void *at = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
	ahead = at == MAP_FAILED ? 0 : at;
}
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int failed = syscall(SYS_clock_gettime, clock, now);
	if (!failed && clock == CLOCK_REALTIME && ahead)
		now->tv_sec += *ahead;
	return failed;
}
"""


def is_in_log(speaker: Speaker, text: str) -> bool:
    return text in speaker.text()


@pytest.fixture
def ahead(tmp_path: Path) -> Path:
    """A file with the seconds by which processes with the shim see the wall clock ahead."""
    (tmp_path / "shim.c").write_text(SHIM)
    command = ["cc", "-shared", "-fPIC", "-o", str(tmp_path / "shim.so"), str(tmp_path / "shim.c")]
    subprocess.run([sys.executable, "-m", "ziglang", *command], check=True)
    found = tmp_path / "ahead"
    found.write_bytes(bytes(8))
    return found


def test_a_jump_of_the_wall_clock_moves_and_breaks_nothing(tmp_path: Path, ahead: Path) -> None:
    environment = dict(os.environ) | {"LD_PRELOAD": str(tmp_path / "shim.so"), "AHEAD": str(ahead)}
    with lan(tmp_path, 2) as nodes:
        for speaker in nodes.speakers:
            serve(speaker.namespace)
        nodes.configure([{"name": "web", "addresses": [VIP, VIP6]}], profile="default")
        for speaker in nodes.speakers:
            speaker._spawn(["--config", str(speaker.path)], environment)
        nodes.whole()
        nodes.answered_once([VIP])
        holder = nodes.leader(VIP)
        (successor,) = (each for each in nodes.speakers if each is not holder)
        connections = Connections(nodes.client, [VIP, VIP6] * 10)
        roost(holder, "drain", holder.name, "--deadline", "0.5")
        nodes.settle_on(VIP, {successor.name})
        told = f"{VIP}: passing on to {holder.name}: 10 connections"
        until(lambda: told in roost(successor, "explain", VIP).stdout, told)
        moves = [each.text().count("lead moved") for each in nodes.speakers]
        for seconds in (DAY, -DAY):
            with ahead.open("r+b") as file:  # in place: it is mapped
                file.write(struct.pack("q", seconds))
            successor.signal(signal.SIGHUP)
            day = time.strftime("%Y-%m-%dT", time.gmtime(time.time() + seconds))
            until(partial(is_in_log, successor, day), "its log is of another day")
            time.sleep(1.5)
            assert nodes.answerers(VIP) == nodes.answerers(VIP6) == {successor.name}
            assert told in roost(successor, "explain", VIP).stdout
            for speaker in nodes.speakers:
                assert set(speaker.verdicts().values()) == {"alive"}
                assert {each["kind"] for each in speaker.status()["problems"]} <= {"draining"}
        assert [each.text().count("lead moved") for each in nodes.speakers] == moves
        assert connections.broken() == [], successor.text()
