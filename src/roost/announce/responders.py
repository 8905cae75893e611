"""Which responder a link gets: the kernel where it lets this process, else the process itself."""

import errno
import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Final

from roost.announce.kernel_answers import LOOPBACK, KernelAnswers
from roost.announce.kernel_responder import KernelResponder
from roost.announce.packet_responder import PacketResponder
from roost.announce.responder import Heard, Kind, Responder
from roost.model.link import Link
from roost.runtime.bpf import TcxLinks
from roost.runtime.packet_socket import CapabilityError, Tap

__all__ = ["Responders"]

_log = logging.getLogger("roost.announce")

_KINDS: Final[tuple[Kind, ...]] = ("tcx", "clsact")  # the best first
_REASONS: Final = MappingProxyType(
    {
        errno.EPERM: "it takes CAP_BPF and CAP_NET_ADMIN in the host's user namespace",
        errno.EINVAL: "this kernel is too old for it",
        errno.ENOSYS: "this kernel has no BPF",
    }
)


class Responders:
    """Makes responders of the kind that is `wanted`, or, with "auto", of the best that this host allows.

    `counters` count what the process does itself; `tap` sees its frames.
    """

    def __init__(self, wanted: str, counters: Counter[str], tap: Tap | None = None) -> None:
        self._wanted = wanted
        self._counters = counters
        self._tap = tap
        self._answers: KernelAnswers | None = None
        self._kinds: Sequence[Kind] = ()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="hooks")
        self._why = ""

    def prepare(self) -> None:
        """Load the programs. Raises CapabilityError when what is wanted by name cannot be had."""
        if self._wanted == "packet":
            return
        try:
            self._answers = KernelAnswers()
            if self._wanted == "tcx":  # known now, not when a link comes
                TcxLinks(self._answers.programs, LOOPBACK).close()
        except OSError as error:
            self._why = f"the kernel refuses to answer: {_explained(error)}"
            if self._wanted != "auto":
                text = (
                    f"announce.responder: {self._wanted} cannot be had; {self._why}; auto takes what there is"
                )
                raise CapabilityError(text) from error
            _log.info("this process answers: %s", self._why)
            return
        self._kinds = [kind for kind in _KINDS if self._wanted in ("auto", kind)]

    def make(self, link: Link, heard: Heard) -> Responder:
        """Return a responder for `link`. Raises CapabilityError, or OSError when the link is gone."""
        if self._answers is None or not self._kinds:
            return PacketResponder(link, heard, self._counters, self._why, tap=self._tap)
        return KernelResponder(
            link,
            heard,
            self._counters,
            kinds=self._kinds,
            answers=self._answers,
            worker=self._worker,
            tap=self._tap,
        )

    def close(self) -> None:
        """Give the programs back, when all responders are closed."""
        self._worker.shutdown()
        if self._answers is not None:
            self._answers.close()


def _explained(error: OSError) -> str:
    reason = _REASONS.get(error.errno or 0)
    return f"{error.strerror or error} ({reason})" if reason else str(error.strerror or error)
