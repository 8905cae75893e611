"""The shape of `roost status --json`: what the views are held to, and the JSON schema is made of."""

from typing import TypedDict

__all__ = [
    "AlarmView",
    "BackendView",
    "FitnessView",
    "InterfaceView",
    "MemberView",
    "PassingOnView",
    "ServiceView",
    "StatusView",
    "VrrpPeerView",
    "VrrpView",
]


class ProblemView(TypedDict):
    """Something that is wrong as this node sees it."""

    kind: str
    severity: str
    text: str
    cure: str


class ConfigView(TypedDict):
    """What the speaker is told, and whether it could take it."""

    path: str
    loaded_at: str
    digest: str
    error: str | None
    trouble: list[str]
    warnings: list[str]


class MemberView(TypedDict):
    """A node of the cluster, this one included."""

    name: str
    address: str
    verdict: str
    draining: bool
    since: str
    incarnation: int
    evidence: str
    labels: dict[str, str]
    macs: list[str]
    roost: str | None
    same_services: bool


class PassingOnView(TypedDict):
    """A node that holds connections which this one passes on."""

    address: str
    node: str
    connections: int | None


class BackendView(TypedDict):
    """A server of a balanced service, as this node sees it."""

    address: str
    port: int | None
    state: str
    why: str
    since: str
    weight: int
    draining: bool
    usable: bool
    connections: int


class FitnessView(TypedDict):
    """What this node's own checks say of it."""

    fit: bool
    weight: int
    why: str


class VrrpPeerView(TypedDict):
    """Another machine of a virtual router."""

    address: str
    node: str | None
    mac: str | None
    state: str
    priority: int
    interval_s: float
    version: int
    checksum: str | None
    last_advert: str


class VrrpView(TypedDict):
    """This node's part in a virtual router, for one family of addresses."""

    vrid: int
    family: int
    version: int
    state: str
    why: str
    priority: int
    interval_s: float
    interface: str
    address: str | None
    virtual_mac: str | None
    master: str | None
    peers: list[VrrpPeerView]
    adverts_sent: int
    adverts_received: int
    adverts_ignored: dict[str, int]


class SharingView(TypedDict):
    """How the nodes share a service: `by` client, or by connection."""

    by: str


class ServiceView(TypedDict):
    """A service: who leads it, why, since when, and what this node does for it."""

    name: str
    addresses: list[str]
    leader: str | None
    sharing: SharingView | None
    shares: dict[str, float] | None
    since: str
    change: str
    answering: bool
    interfaces: list[str]
    failback: str
    why_kept: str
    connections: dict[str, int | None]
    passing_on: list[PassingOnView]
    backends: list[BackendView]
    fitness: FitnessView | None
    vrrp: list[VrrpView]
    problems: list[str]


class InterfaceView(TypedDict):
    """A link of this host: what answers there, or why it does not announce."""

    name: str
    mac: str
    announcing: bool
    reason: str
    responder: str
    responder_reason: str


class AlarmView(TypedDict):
    """Claims of another machine for an address answered here; times are seconds since the epoch."""

    kind: str
    address: str
    mac: str
    interface: str
    peer: str | None
    first: float
    last: float
    count: int


class ClientsView(TypedDict):
    """How many clients are known, and packets for addresses that this node lost."""

    known: int
    stragglers_packets: int


class CountersView(TypedDict):
    """What was counted since the start, by event."""

    membership: dict[str, int]
    announce: dict[str, int]
    vrrp: dict[str, int]
    witness: dict[str, int]
    clients: ClientsView


class NoteView(TypedDict):
    """Something to know that is no problem, such as a drain at work."""

    kind: str
    text: str
    cure: str


class StatusView(TypedDict):
    """A speaker, and the cluster as it sees it."""

    node: str
    version: str
    pid: int
    started_at: str
    problems: list[ProblemView]
    notes: list[NoteView]
    settled: bool
    waiting_for: str
    cut_off: bool
    draining: bool
    not_passing_on: str
    profile: str | None
    config: ConfigView
    members: list[MemberView]
    services: list[ServiceView]
    interfaces: list[InterfaceView]
    alarms: list[AlarmView]
    counters: CountersView
