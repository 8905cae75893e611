"""Which responder a link gets: the kernel where it lets this process, else the process itself."""

import errno
import logging
from collections import Counter
from types import MappingProxyType
from typing import Final

from roost.announce.kernel_answers import KernelAnswers
from roost.announce.kernel_responder import KernelResponder
from roost.announce.packet_responder import PacketResponder
from roost.announce.responder import Heard, Kind, Responder
from roost.model.link import Link
from roost.runtime.bpf import TcxLinks
from roost.runtime.packet_socket import CapabilityError

__all__ = ["Responders"]

_log = logging.getLogger("roost.announce")

_LOOPBACK: Final = 1  # index of lo in every network namespace
_REASONS: Final = MappingProxyType(
    {
        errno.EPERM: "it takes CAP_BPF and CAP_NET_ADMIN in the host's user namespace",
        errno.EINVAL: "this kernel is too old for it",
        errno.ENOSYS: "this kernel has no BPF",
    }
)


class Responders:
    """Makes responders of the kind that is `wanted`, or, with "auto", of the best that this host allows.

    `counters` count what the process does itself.
    """

    def __init__(self, wanted: str, counters: Counter[str]) -> None:
        self._wanted = wanted
        self._counters = counters
        self._answers: KernelAnswers | None = None
        self._kind: Kind = "packet"
        self._why = ""

    def prepare(self) -> None:
        """Load the programs, and find out where they may be attached.

        Raises CapabilityError when what is wanted by name cannot be had.
        """
        if self._wanted == "packet":
            return
        try:
            self._answers = KernelAnswers()
            self._kind = "clsact" if self._wanted == "clsact" else self._tcx(self._answers)
        except OSError as error:
            self._why = f"the kernel refuses the responder: {_explained(error)}"
            if self._wanted != "auto":
                text = (
                    f"announce.responder: {self._wanted} cannot be had; {self._why}; auto takes what there is"
                )
                raise CapabilityError(text) from error
            _log.info("this process answers itself: %s", self._why)

    def make(self, link: Link, heard: Heard) -> Responder:
        """Return a responder for `link`. Raises CapabilityError, or OSError when the link is gone."""
        why = self._why
        if self._answers is not None and self._kind != "packet":
            try:
                return KernelResponder(link, heard, self._counters, self._kind, self._answers)
            except OSError as error:
                if self._wanted != "auto":
                    raise
                why = f"{self._kind} cannot be had: {_explained(error)}"
        return PacketResponder(link, heard, self._counters, why)

    def close(self) -> None:
        """Give the programs back."""
        if self._answers is not None:
            self._answers.close()

    def _tcx(self, answers: KernelAnswers) -> Kind:
        """Return "tcx" where the kernel has that, else "clsact"; raises OSError when no other will do."""
        try:
            TcxLinks(answers.programs, _LOOPBACK).close()
        except OSError:
            if self._wanted == "tcx":
                raise
            return "clsact"
        return "tcx"


def _explained(error: OSError) -> str:
    reason = _REASONS.get(error.errno or 0)
    return f"{error.strerror or error} ({reason})" if reason else str(error.strerror or error)
