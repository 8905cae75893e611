"""All targets, by what they are about."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Final

from fuzz.target import Target

__all__ = ["module_of", "targets"]

_MODULES: Final = ("packets", "gossip", "words", "files", "cluster", "web", "shell", "kernel", "planted")


@cache
def _found() -> Mapping[str, tuple[str, Target]]:
    modules = [import_module(f"fuzz.targets.{name}") for name in _MODULES]
    return {each.name: (module.__name__, each) for module in modules for each in module.TARGETS}


def targets() -> Mapping[str, Target]:
    """Return every target by its name."""
    return MappingProxyType({name: target for name, (_, target) in _found().items()})


def module_of(name: str) -> str:
    """Return the module that has the target with that name."""
    return _found()[name][0]
