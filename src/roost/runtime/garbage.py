"""Keeping Python's garbage collector from stopping the event loop.

A full collection looks at every object that ever survived, and nothing else runs meanwhile: 46 ms with
100,000 of them, longer than a witness waits for an answer. What is there to stay is therefore taken out of
its sight (`gc.freeze`). It is still freed when nothing refers to it any more; only cycles in it are not found
again, and configurations and rankings have none.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["building", "settle"]


def settle() -> None:
    """Collect everything once, and leave what lives out of all later collections."""
    gc.collect()
    _freeze()


@contextmanager
def building() -> Iterator[None]:
    """Collect nothing while much is built that is there to stay, and leave that out of later collections.

    What is garbage before is collected first, since nothing would find it afterwards.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        _freeze()
        gc.enable()


def _freeze() -> None:
    gc.freeze()
    # The collector puts a full collection off until a quarter of what survived the last one has come anew;
    # this one, of nothing, lets it forget that number: later ones are frequent, and small.
    gc.collect()
