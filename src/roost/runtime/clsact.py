"""BPF programs as filters of a link's clsact qdisc (tc-bpf(8)): for kernels without tcx, before Linux 6.6.

A filter outlives its process. So each is looked for by its program's name, which a killed predecessor's
has, too, and replaced in one step; it is taken away only while the program in it is ours. The qdisc stays:
others may use it by then.
"""

import errno
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from roost.runtime.bpf import Hook, Program

__all__ = ["ClsactFilters"]

_PARENTS: Final = {Hook.INGRESS: 0xFFFFFFF2, Hook.EGRESS: 0xFFFFFFF3}
_HANDLE: Final = 0x526F6F73  # "Roos": nobody else's
_PREFERENCES: Final = range(1, 10)  # the lowest comes first; one that a filter of another kind has is taken
_IDENTITY: Final = 11  # TCA_BPF_ID

T = TypeVar("T")


class _Place(NamedTuple):
    """Where a filter is, and the number of the program in it."""

    preference: int
    handle: int
    number: int


class ClsactFilters:
    """Programs at the hooks of the link with that index, before all others. Raises OSError.

    A hook that the link does not have (egress, where the qdisc is an old `ingress`) is left out.
    """

    def __init__(self, programs: Mapping[Hook, Program], link: int) -> None:
        self._link = link
        self._placed: dict[Hook, tuple[int, Program]] = {}
        _with_netlink(lambda route: self._place_all(route, programs))

    def replace(self, programs: Mapping[Hook, Program]) -> None:
        """Put others in their places; each frame is seen by one of both."""
        _with_netlink(lambda route: self._place_all(route, programs))

    @property
    def attached(self) -> bool:
        """Whether they are there still: anybody may take them away."""
        return _with_netlink(
            lambda route: all(
                any(each.number == program.number for each in self._found(route, hook, program))
                for hook, (_, program) in self._placed.items()
            )
        )

    def close(self) -> None:
        """Take them away, where no successor has replaced them."""
        _with_netlink(self._remove_all)

    def _place_all(self, route: IPRoute, programs: Mapping[Hook, Program]) -> None:
        try:
            route.tc("add", "clsact", self._link)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
        for hook, program in programs.items():
            try:
                self._place(route, hook, program)
            except NetlinkError:
                if hook is Hook.INGRESS:
                    raise

    def _place(self, route: IPRoute, hook: Hook, program: Program) -> None:
        left = [each.preference for each in self._found(route, hook, program) if each.handle == _HANDLE]
        refused: NetlinkError | None = None
        for preference in (*left, *_PREFERENCES):
            try:
                route.tc(
                    "replace-filter",
                    "bpf",
                    self._link,
                    _HANDLE,
                    fd=program.fd,
                    name=program.name,
                    parent=_PARENTS[hook],
                    prio=preference,
                    direct_action=True,
                )
            except NetlinkError as error:  # another kind of filter is there
                refused = refused or error
                continue
            self._placed[hook] = (preference, program)
            return
        if refused is not None:
            raise refused

    def _remove_all(self, route: IPRoute) -> None:
        for hook, (preference, program) in self._placed.items():
            for each in self._found(route, hook, program):
                if (each.preference, each.number) == (preference, program.number):
                    route.tc("del-filter", "bpf", self._link, _HANDLE, parent=_PARENTS[hook], prio=preference)
        self._placed.clear()

    def _found(self, route: IPRoute, hook: Hook, program: Program) -> Iterator[_Place]:
        """Yield the filters whose program has the name of `program`."""
        for each in route.get_filters(index=self._link, parent=_PARENTS[hook]):
            options = each.get("TCA_OPTIONS")
            if options is not None and options.get("TCA_BPF_NAME") == program.name:
                yield _Place(int(each["info"]) >> 16, int(each["handle"]), _identity(options))


def _identity(options: Any) -> int:
    """Return the number of a filter's program, which pyroute2 has no name for."""
    for _, value in options["attrs"]:
        header = getattr(value, "value", value)
        if isinstance(header, Mapping) and header.get("header", {}).get("type") == _IDENTITY:
            return int(struct.unpack_from("=I", value.data, value.offset + 4)[0])
    return 0


def _with_netlink(work: Callable[[IPRoute], T]) -> T:
    """Do `work` with netlink, in a thread: pyroute2 wants an event loop of its own. It takes milliseconds.

    Raises OSError for whatever fails.
    """

    def whole() -> T:
        with IPRoute() as route:
            return work(route)

    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(whole).result()
    except NetlinkError as error:
        raise OSError(error.code, str(error.args[-1])) from error
