"""BPF programs as filters of a link's clsact qdisc (tc-bpf(8)): for kernels without tcx, before Linux 6.6.

A filter outlives its process. So each is looked for by its program's name, which a killed predecessor's
has, too, and replaced in one step; it is taken away only while the program in it is ours. The qdisc stays:
others may use it by then.

Messages are pyroute2's, the socket is not: the event loop must not wait for another thread's turn.
"""

import errno
import itertools
import os
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self

from pyroute2.netlink import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
)
from pyroute2.netlink.rtnl import (
    RTM_DELTFILTER,
    RTM_GETTFILTER,
    RTM_NEWQDISC,
    RTM_NEWTFILTER,
)
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from roost.runtime.bpf import Hook, Program

__all__ = ["ClsactFilters"]

_QDISC: Final = (0xFFFF0000, 0xFFFFFFF1, 0)  # handle, parent, information of every clsact
_PARENTS: Final = {Hook.INGRESS: 0xFFFFFFF2, Hook.EGRESS: 0xFFFFFFF3}
_HANDLE: Final = 0x526F6F73  # "Roos": nobody else's
_PREFERENCES: Final = range(1, 10)  # the lowest comes first; one that a filter of another kind has is taken
_EVERY_PROTOCOL: Final = socket.htons(3)
_DIRECT_ACTION: Final = 1
_IDENTITY: Final = 11  # TCA_BPF_ID
_HEADER: Final = struct.Struct("=IHHII")  # of a netlink message: length, type, flags, sequence, port
_WAIT: Final = 1.0  # seconds for the kernel's answer, which comes at once
_LARGEST: Final = 1 << 16  # bytes


class _Filter(NamedTuple):
    """Where a filter is, and the number of the program in it."""

    preference: int
    handle: int
    number: int
    name: str


class ClsactFilters:
    """Programs at the hooks of the link with that index, before all others. Raises OSError.

    A hook that the link does not have (egress, where the qdisc is an old `ingress`) is left out.
    """

    def __init__(self, programs: Mapping[Hook, Program], link: int) -> None:
        self._link = link
        self._placed: dict[Hook, tuple[int, Program]] = {}
        with _Netlink() as netlink, suppress(FileExistsError):
            flags = NLM_F_CREATE | NLM_F_EXCL
            netlink.ask(RTM_NEWQDISC, flags, link, _QDISC, [["TCA_KIND", "clsact"]])
        self.replace(programs)

    def replace(self, programs: Mapping[Hook, Program]) -> None:
        """Put others in their places; each frame is seen by one of both."""
        with _Netlink() as netlink:
            for hook, program in programs.items():
                try:
                    self._place(netlink, hook, program)
                except OSError:
                    if hook is Hook.INGRESS:
                        raise

    @property
    def attached(self) -> bool:
        """Whether they are there still: anybody may take them away."""
        with _Netlink() as netlink:
            return all(
                any(each.number == program.number for each in self._found(netlink, hook, program))
                for hook, (_, program) in self._placed.items()
            )

    @property
    def first(self) -> bool:
        """Whether no program has come before them since: at one preference the last to come is first."""
        with _Netlink() as netlink:
            return all(
                next(
                    (each.number for each in _filters(netlink, self._link, hook) if each.preference == at), 0
                )
                in (program.number, 0)
                for hook, (at, program) in self._placed.items()
            )

    def close(self) -> None:
        """Take them away, where no successor has replaced them."""
        with _Netlink() as netlink:
            for hook, (preference, program) in self._placed.items():
                for each in self._found(netlink, hook, program):
                    if (each.preference, each.number) == (preference, program.number):
                        with suppress(FileNotFoundError):
                            netlink.ask(RTM_DELTFILTER, 0, self._link, _place(hook, preference))
        self._placed.clear()

    def _place(self, netlink: "_Netlink", hook: Hook, program: Program) -> None:
        left = [each.preference for each in self._found(netlink, hook, program) if each.handle == _HANDLE]
        options: list[list[Any]] = [
            ["TCA_BPF_FD", program.fd],
            ["TCA_BPF_NAME", program.name],
            ["TCA_BPF_FLAGS", _DIRECT_ACTION],
        ]
        attributes: list[list[Any]] = [["TCA_KIND", "bpf"], ["TCA_OPTIONS", {"attrs": options}]]
        refused: OSError | None = None
        for preference in (*left, *_PREFERENCES):
            flags, place = NLM_F_CREATE | NLM_F_REPLACE, _place(hook, preference)
            try:
                netlink.ask(RTM_NEWTFILTER, flags, self._link, place, attributes)
            except OSError as error:  # another kind of filter is there
                refused = refused or error
                continue
            self._placed[hook] = (preference, program)
            return
        if refused is not None:
            raise refused

    def _found(self, netlink: "_Netlink", hook: Hook, program: Program) -> Iterator[_Filter]:
        """Yield the filters whose program has the name of `program`."""
        found = _filters(netlink, self._link, hook)
        return (each for each in found if each.name == program.name)


class _Netlink:
    """A conversation with the kernel about queueing (rtnetlink(7)); every request raises OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(_WAIT)
        self._serial = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(
        self,
        kind: int,
        flags: int,
        link: int,
        place: tuple[int, int, int],
        attributes: Sequence[Sequence[Any]] = (),
    ) -> list[Any]:
        """Return the messages that come back before the kernel says that it is done."""
        request = tcmsg()
        request["index"] = link
        request["handle"], request["parent"], request["info"] = place
        request["attrs"] = attributes
        request["header"]["type"] = kind
        request["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | flags
        request["header"]["sequence_number"] = serial = next(self._serial)
        request.encode()
        self._socket.send(request.data)
        found: list[Any] = []
        while True:
            for came, number, data in _messages(self._socket.recv(_LARGEST)):
                if number != serial:
                    continue
                if came == NLMSG_ERROR:
                    (code,) = struct.unpack_from("=i", data, _HEADER.size)
                    if code:
                        raise OSError(-code, os.strerror(-code))
                    return found
                if came == NLMSG_DONE:
                    return found
                message = tcmsg(data)
                message.decode()
                found.append(message)


def _filters(netlink: _Netlink, link: int, hook: Hook) -> Iterator[_Filter]:
    """Yield the filters at a hook that are BPF programs, in their order."""
    for each in netlink.ask(RTM_GETTFILTER, NLM_F_DUMP, link, (0, _PARENTS[hook], 0)):
        options = each.get("TCA_OPTIONS")
        if options is not None and (number := _identity(options)):
            name = options.get("TCA_BPF_NAME") or ""
            yield _Filter(int(each["info"]) >> 16, int(each["handle"]), number, name)


def _place(hook: Hook, preference: int) -> tuple[int, int, int]:
    """Return handle, parent and information of our filter at a hook."""
    return _HANDLE, _PARENTS[hook], preference << 16 | _EVERY_PROTOCOL


def _messages(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, sequence number, whole message) of each message in a datagram."""
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, _, number, _ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size:
            raise OSError(errno.EBADMSG, "the kernel's message has no length")
        yield kind, number, datagram[at : at + length]
        at += length + -length % 4


def _identity(options: Any) -> int:
    """Return the number of a filter's program, which pyroute2 has no name for."""
    for _, value in options["attrs"]:
        header = value.get("header") if isinstance(value, Mapping) else None
        if header and header["type"] == _IDENTITY:
            return int(struct.unpack_from("=I", value.data, value.offset + 4)[0])
    return 0
