"""A configuration file as a source of services."""

import re
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from roost.model.complaint import Complaint
from roost.model.service import DesiredState, Service
from roost.standalone.config import SpeakerConfig
from roost.standalone.environment import LOOPBACK, IPInterface, environment_problems

__all__ = ["FileSource"]

_SERVICE: Final = re.compile(r"services\[(\d+)\]\.")

_Judged = tuple[tuple[tuple[tuple[str, IPInterface], ...], tuple[str, ...]], tuple[Complaint, ...]]


class FileSource:
    """One valid file: it never changes, a reload makes another one."""

    delivers_locally = True
    trouble: Sequence[str] = ()

    def __init__(self, path: Path, config: SpeakerConfig) -> None:
        self.path = path
        self.settings = config
        self._complaints: _Judged | None = None

    @property
    def origin(self) -> str:
        """The file's path."""
        return str(self.path)

    @cached_property
    def desired(self) -> DesiredState:
        """What the file wants announced."""
        return self.settings.desired()

    def serving_nodes(self, service: str) -> frozenset[str] | None:  # noqa: ARG002 - the protocol's
        """Return None: what serves behind an address is not in the file."""
        return None

    async def forwards(self, service: Service) -> bool:  # noqa: ARG002 - the protocol's
        """Tell that it does: no service of a file has a proxy to ask."""
        return True

    def complaints(
        self, local: Sequence[tuple[str, IPInterface]], links: Collection[str]
    ) -> tuple[Complaint, ...]:
        """Return what of the file does not fit this host, in its order (see `environment_problems`)."""
        asked = (tuple(each for each in local if each[0] != LOOPBACK), tuple(links))
        if self._complaints is None or self._complaints[0] != asked:
            self._complaints = (asked, self._judge(*asked))
        return self._complaints[1]

    def prepare(self, local: Sequence[tuple[str, IPInterface]], links: Collection[str]) -> None:
        """Work out beforehand, in any thread, what a speaker on a host with these addresses will ask for."""
        self.complaints(local, links)
        assert self.desired is not None  # noqa: S101 - worked out and kept by being asked for

    def _judge(
        self, local: Sequence[tuple[str, IPInterface]], links: Collection[str]
    ) -> tuple[Complaint, ...]:
        return tuple(
            Complaint(problem.severity, str(problem), self._service(problem.field), problem.cause)
            for problem in environment_problems(self.settings, local, links)
        )

    def _service(self, field: str) -> str:
        found = _SERVICE.match(field)
        return self.settings.services[int(found[1])].name if found else ""
