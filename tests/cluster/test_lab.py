"""`roost lab --kubernetes`: the whole story on one machine, and nothing left behind."""

import json
import subprocess
import sys

import pytest
from tests.system.netns import NETNS

pytestmark = [*NETNS, pytest.mark.timeout(180)]


def test_the_story_on_a_real_control_plane() -> None:
    command = [sys.executable, "-m", "roost", "lab", "--kubernetes", "--json", "--profile", "fast"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["leader"] != told["successor"]
    assert 0 < told["outage"] < 1.5
    assert told["lost"] > 0
