"""`vrrp_instance` and `vrrp_sync_group` as services."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from roost.keepalived.fields import Address, Fate, Fields, address, is_true, link_name, number
from roost.keepalived.general import Globals
from roost.keepalived.places import Place, Remarks
from roost.keepalived.tree import Entry

__all__ = ["KNOWN", "Group", "Instance", "groups", "instance"]

_AGAIN: Final = "Roost repeats gratuitous packets with back-off"
_TIMERS: Final = "Roost needs no such setting"
KNOWN: Final[Mapping[str, Fate]] = {
    **dict.fromkeys(
        (
            "garp_master_delay", "garp_master_repeat", "garp_lower_prio_delay", "garp_lower_prio_repeat",
            "garp_master_refresh_repeat", "garp_extra_if", "lower_prio_no_advert", "higher_prio_send_advert",
        ),
        ("needless", _AGAIN),
    ),
    **dict.fromkeys(
        ("debug", "kernel_rx_buf_size", "linkbeat_use_polling", "skip_check_adv_addr",
         "promote_secondaries", "native_ipv6"),
        ("needless", _TIMERS),
    ),
    **dict.fromkeys(
        ("lvs_sync_daemon_interface", "lvs_sync_daemon_inteface"),
        ("needless", "connections survive without a daemon that copies them"),
    ),
    "preempt": ("needless", "is the default"),
    "accept": ("needless", "is the default"),
    "vmac_xmit_base": ("needless", "adverts leave by the interface itself"),
    "track_src_ip": ("lost", "Roost does not watch the host's own address"),
    "dont_track_primary": ("lost", "a node whose interface is down never leads"),
    "no_accept": ("lost", "whoever leads takes the traffic"),
    "strict_mode": ("lost", "Roost has one mode"),
    "use_ipvlan": ("lost", "Roost has virtualMac alone"),
    "use_vmac_addr": ("lost", "Roost has virtualMac alone"),
    "vrf": ("lost", "run one speaker in each VRF"),
    "mcast_dst_ip": ("lost", "Roost sends to VRRP's own group, or to peers by unicast"),
    "down_timer_adverts": ("lost", "a master is down after three intervals, as the RFC says"),
    "unicast_ttl": ("lost", "Roost sends with 255, as the RFC says"),
    "unicast_fault_no_peer": ("needless", "peers are always named here"),
    "check_unicast_src": ("needless", "adverts of others than the peers are never taken"),
    "old_unicast_checksum": ("needless", "both forms are accepted"),
    "auth_hmac": ("lost", "Roost speaks VRRP without signatures"),
    "no_virtual_ipaddress": ("lost", "a service of Roost has one address at least"),
    "owner_ignore_adverts": ("lost", "an owner follows the RFC"),
    "vmac_garp_intvl": ("needless", _AGAIN),
    "thread_timer_expired": ("needless", _TIMERS),
    "timer_expired_backup": ("needless", _TIMERS),
    "track_bfd": ("lost", "Roost has no BFD; its own detection takes its place among Roost's nodes"),
    "notify_master_rx_lower_pri": ("lost", "there is no such call"),
    "notify_priority_changes": ("lost", "there is no such call"),
    "notify_deleted": ("lost", "there is no such call"),
    "smtp_alert": ("lost", "Roost sends no mail; a hook may, and `roost "
"status --check` and metrics tell of it"),
    "global_tracking": ("needless", "each service has its track of its own"),
    "sync_group_tracking_weight": ("lost", "services that move together have no weights"),
}  # fmt: skip


@dataclass(slots=True)
class Instance:
    """One of theirs; what is not read yet, what it tracks and whom it notifies, is in `fields`."""

    name: str
    place: Place
    fields: Fields
    addresses: list[Address] = field(default_factory=list)
    links: dict[str, Place] = field(default_factory=dict)  # that addresses are said to be on
    links_left_out: bool = False  # whether an address is on the adverts' link, since it names none
    interface: tuple[str, Place] | None = None
    vrid: tuple[int, Place] | None = None
    priority: tuple[int, Place | None] = (100, None)
    interval: tuple[float, Place | None] = (1.0, None)
    version: tuple[int, Place | None] = (2, None)
    preempt: tuple[bool | float, Place | None] = (True, None)
    peers: list[Address] = field(default_factory=list)
    source: Address | None = None
    password: tuple[str, Place] | None = None
    virtual_mac: Place | None = None
    refresh: tuple[float, Place] | None = None
    plain_checksum: Place | None = None
    group: str = ""  # ours, of what moves together
    synced: bool = False  # whether it is in a sync group of theirs, and so has no weights
    twin: bool = False  # whether it is the IPv6 part of the one before


@dataclass(slots=True)
class Group:
    """A `vrrp_sync_group`: names of instances that move together."""

    name: str
    place: Place
    members: list[str]
    fields: Fields


def instance(entry: Entry, defaults: Globals, remarks: Remarks) -> Instance:
    """Read all of an instance but what it tracks and whom it notifies."""
    fields = Fields(entry.entries, remarks)
    made = Instance(entry.value or f"line-{entry.place.line}", entry.place, fields, version=defaults.version)
    made.plain_checksum = defaults.plain_checksum
    if is_true(given := fields.one("v3_checksum_as_v2")) and given:
        made.plain_checksum = given.place
    if (given := fields.one("interface")) and (name := link_name(given.value, given, remarks)):
        made.interface = (name, given.place)
    if (given := fields.one("virtual_router_id")) and (vrid := number(given, 1, 255, remarks)):
        made.vrid = (int(vrid), given.place)
    if (given := fields.one("priority")) and (priority := number(given, 1, 255, remarks)):
        made.priority = (int(priority), given.place)
    if (given := fields.one("advert_int")) and (interval := number(given, 0.01, 255, remarks)):
        made.interval = (interval, given.place)
    if (given := fields.one("version")) and (said := number(given, 2, 3, remarks)):
        made.version = (int(said), given.place)
    if (given := fields.one("garp_master_refresh")) and (refresh := number(given, 0, 86400, remarks)):
        made.refresh = (refresh, given.place)
    _preemption(made, remarks)
    _addresses(made, remarks)
    _peers(made, remarks)
    _authentication(made, remarks)
    if given := fields.one("use_vmac"):
        made.virtual_mac = given.place
        if len(given.words) > 2 or ":" in given.value:
            remarks.lost(given.place, given.text, "the address is always VRRP's own for this router")
        elif given.value:
            remarks.needless(given.place, given.text, "Roost names its interface itself")
    if any(":" in text for text, _, _ in made.addresses[:1]) and made.version[0] == 2:
        made.version = (3, made.version[1])
    return made


def groups(entries: list[Entry], remarks: Remarks) -> list[Group]:
    """Read all sync groups."""
    found: list[Group] = []
    for entry in entries:
        fields = Fields(entry.entries, remarks)
        members = [word for each in fields.merged("group") for word in each.words]
        found.append(Group(entry.value or f"line-{entry.place.line}", entry.place, members, fields))
    return found


def _preemption(made: Instance, remarks: Remarks) -> None:
    state = made.fields.one("state")
    starts_as_master = state is not None and state.value.upper() == "MASTER"
    if state:
        remarks.needless(state.place, state.text, "the election finds who leads; there is no first state")
    refused, delayed = made.fields.one("nopreempt"), made.fields.one("preempt_delay")
    for each in (refused, delayed):
        if each and starts_as_master:
            remarks.needless(
                each.place,
                each.text,
                "keepalived ignores it beside state MASTER, too; write state BACKUP to mean it",
            )
    if starts_as_master:
        return
    if delayed and (seconds := number(delayed, 0, 1000, remarks)):
        made.preempt = (seconds, delayed.place)
    if refused:
        made.preempt = (False, refused.place)


def _addresses(made: Instance, remarks: Remarks) -> None:
    for entry in made.fields.merged("virtual_ipaddress"):
        _address(made, entry, remarks)
    excluded = [
        entry for entry in made.fields.merged("virtual_ipaddress_excluded") if _address(made, entry, remarks)
    ]
    if excluded:
        why = "is in Roost's adverts, too; peers that run keepalived must not exclude it"
        more = f" and {len(excluded) - 1} more" if len(excluded) > 1 else ""
        remarks.changed(excluded[0].place, f"virtual_ipaddress_excluded {excluded[0].text}{more}", why)


def _address(made: Instance, entry: Entry, remarks: Remarks) -> bool:
    rest = list(entry.words[1:])
    found = address(entry.words[0], entry, remarks)
    if found is None:
        return False
    if any(found[0] == known for known, _, _ in made.addresses):
        remarks.needless(entry.place, entry.text, "stands here twice")
        return False
    made.addresses.append(found)
    options = dict(zip(rest[::2], rest[1::2], strict=False))
    if (named := options.pop("dev", "")) and (link := link_name(named, entry, remarks)):
        made.links.setdefault(link, entry.place)
    else:
        made.links_left_out = True
    if options or found[1] not in (32, 128) or len(rest) % 2:
        remarks.needless(
            entry.place, entry.text, "the address alone counts; Roost holds it on lo, with its whole length"
        )
    return True


def _peers(made: Instance, remarks: Remarks) -> None:
    for entry in made.fields.merged("unicast_peer"):
        if found := address(entry.words[0], entry, remarks):
            made.peers.append(found)
        if len(entry.words) > 1:
            remarks.lost(entry.place, entry.text, "the TTL of peers is always 255")
    if (source := made.fields.one("unicast_src_ip", "mcast_src_ip")) and (
        found := address(source.value, source, remarks)
    ):
        made.source = found
        for peer in [each for each in made.peers if each[0] == found[0]]:
            remarks.needless(peer[2], peer[0], "is this node itself")
            made.peers.remove(peer)


def _authentication(made: Instance, remarks: Remarks) -> None:
    given = made.fields.one("authentication")
    if given is None:
        return
    fields = Fields(given.entries, remarks)
    kind, password = fields.one("auth_type"), fields.one("auth_pass")
    fields.finish({})
    if kind and kind.value.upper() == "AH":
        remarks.lost(kind.place, kind.text, "Roost has plain passwords alone (auth_type PASS)")
    elif kind and kind.value.upper() != "PASS":
        remarks.changed(
            kind.place, kind.text, "is no kind of authentication: no password is sent, as with keepalived"
        )
    elif password and password.value:
        made.password = (password.value, password.place)
