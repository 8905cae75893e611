"""Packages whose parts are wanted, and not all that their own files import."""

import importlib.util
import sys
from contextlib import suppress
from typing import Any

__all__ = ["enter_quietly"]


def enter_quietly(name: str) -> None:
    """Let parts of the package `name` be imported without its own file.

    That runs as soon as somebody asks for a name of the package itself. A package that is imported already,
    or is not there, stays as it is.
    """
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    loader, package = spec.loader, importlib.util.module_from_spec(spec)

    def find(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        with suppress(ModuleNotFoundError):
            return importlib.import_module(f"{name}.{attribute}")
        vars(package).pop("__getattr__", None)
        loader.exec_module(package)
        return getattr(package, attribute)

    vars(package)["__getattr__"] = find  # PEP 562
    sys.modules[name] = package
