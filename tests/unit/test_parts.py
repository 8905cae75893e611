"""Packages are entered without their own files, and are whole when somebody asks for more."""

import subprocess
import sys


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_speaker_has_of_the_netlink_library_what_it_uses() -> None:
    found = run(
        "import sys, roost.speaker.process\n"
        "print('pyroute2.iproute' in sys.modules, *({'sqlite3', 'pyroute2.ndb'} & {*sys.modules}))"
    )
    assert found.split() == ["True"]


def test_whoever_wants_the_whole_package_gets_it() -> None:
    found = run(
        "import roost.runtime.links, pyroute2\n"
        "from pyroute2 import NDB, IPRoute, netns\n"
        "from pyroute2.iproute import IPRoute as same\n"
        "print(IPRoute is same, NDB.__module__, netns.__name__, hasattr(pyroute2, 'no_such_name'))"
    )
    assert found.split() == ["True", "pyroute2.ndb.main", "pyroute2.netns", "False"]


def test_one_that_is_imported_already_or_missing_stays_as_it_is() -> None:
    found = run(
        "import json, sys\n"
        "from roost.runtime.parts import enter_quietly\n"
        "enter_quietly('json'); enter_quietly('no_such_package')\n"
        "print(json.dumps(1), 'no_such_package' in sys.modules)"
    )
    assert found.split() == ["1", "False"]
