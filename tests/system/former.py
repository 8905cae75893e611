"""The former version's source, to run beside this one: of the last tag, before any of a landed state."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

__all__ = ["former_source"]

ROOT = Path(__file__).parents[2]
BEFORE_ANY_TAG = "5a7b10520894fc21514ece8b78fc18020494d933"  # 2026-11-24


def former_source() -> Path:
    """Return the folder to import `roost` from, in the user's cache; skips where the history is not here.

    It runs on the dependencies that are installed: a release that needs others has to say so in its notes.
    """
    commit = _git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^") or BEFORE_ANY_TAG
    commit = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if not commit:
        pytest.skip("the former version is not in this clone's history")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "roost-tests"
    folder = cache / f"former-{commit[:16]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as made:
            archive = subprocess.run(
                ("git", "-C", str(ROOT), "archive", commit, "src"), capture_output=True, check=True
            )
            subprocess.run(("tar", "-x", "-C", made), input=archive.stdout, check=True)
            if not folder.exists():  # another run may have been quicker
                shutil.move(Path(made) / "src", folder)
    return folder


def _git(*arguments: str) -> str:
    done = subprocess.run(("git", "-C", str(ROOT), *arguments), capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
