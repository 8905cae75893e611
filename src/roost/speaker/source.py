"""Where a speaker's services come from, as far as it has to know."""

from collections.abc import Collection, Sequence
from ipaddress import IPv4Interface, IPv6Interface
from typing import Protocol

from roost.model.complaint import Complaint
from roost.model.service import DesiredState, Service
from roost.settings import SpeakerSettings

__all__ = ["Source"]


class Source(Protocol):
    """A file, or a Kubernetes API; when `desired` changes, `Speaker.update` is called."""

    @property
    def settings(self) -> SpeakerSettings:
        """What the speaker is told at start."""

    @property
    def desired(self) -> DesiredState:
        """What is to be announced, and what is known of the nodes."""

    @property
    def origin(self) -> str:
        """What users know the source by."""

    @property
    def trouble(self) -> Sequence[str]:
        """What keeps the source from knowing the present, one line each."""

    @property
    def delivers_locally(self) -> bool:
        """Whether services may end on this host, which then needs CAP_NET_ADMIN."""

    def serving_nodes(self, service: str) -> frozenset[str] | None:
        """Return the nodes with an endpoint of a service that can serve; None where that is not known."""

    async def forwards(self, service: Service) -> bool:
        """Tell whether this node passes on the traffic of a service with a `health_port`."""

    def complaints(
        self, local: Sequence[tuple[str, IPv4Interface | IPv6Interface]], links: Collection[str]
    ) -> tuple[Complaint, ...]:
        """Return what does not fit this host: `local` are (link, address), `links` all links' names."""
