"""Finding the parts of a real control plane: KUBEBUILDER_ASSETS, then PATH, else built once into a cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["MissingComponentError", "cache_folder", "find"]

_MODULE: Final = Path(__file__).parent
_BUILT: Final = frozenset({"kube-apiserver", "kube-controller-manager", "kube-proxy"})
_EXTRA_PATH: Final = ("/usr/local/go/bin", "/usr/sbin", "/sbin")
_BUILD_WITHIN: Final = 3600  # seconds; six minutes for the API server on two cores


class MissingComponentError(Exception):
    """A component is not here and cannot be made; the text names the cure."""


def find(name: str) -> Path:
    """Return the executable `name`. Builds the Kubernetes ones when needed, which takes minutes once.

    Raises MissingComponentError.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and os.access(Path(assets, name), os.X_OK):
        return Path(assets, name)
    if on_path := shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_EXTRA_PATH])):
        return Path(on_path)
    if name in _BUILT:
        return _built(name)
    raise MissingComponentError(
        f"{name} is missing (on Debian: apt install etcd-server); or set KUBEBUILDER_ASSETS"
    )


def cache_folder() -> Path:
    """Return where built components stay; a change of what is pinned is another folder."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser(), "roost-components")
    pinned = hashlib.sha256(
        b"".join(Path(_MODULE, each).read_bytes() for each in ("go.mod", "components.go"))
    )
    return root / pinned.hexdigest()[:12]


def _built(name: str) -> Path:
    folder = cache_folder()
    target = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes want it at once: one builds
        if not target.exists():
            _build(name, target)
    return target


def _build(name: str, target: Path) -> None:
    go = find("go")
    print(f"building {name}, which takes some minutes once", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for source in ("go.mod", "go.sum", "components.go"):
            shutil.copy(_MODULE / source, scratch)
        made = Path(scratch, name)
        package = f"k8s.io/kubernetes/cmd/{name}"
        command = [str(go), "build", "-trimpath", "-ldflags=-s -w", "-o", str(made), package]
        done = subprocess.run(command, cwd=scratch, capture_output=True, timeout=_BUILD_WITHIN, check=False)
        if done.returncode:
            raise MissingComponentError(f"{name} cannot be built: {done.stderr.decode()[-500:]}")
        shutil.move(made, target.with_suffix(".new"))
        target.with_suffix(".new").rename(target)
