"""`global_defs`, and what else stands outside of instances."""

from collections.abc import Mapping
from typing import Final

from roost.keepalived.fields import Fate, Fields, is_true, number
from roost.keepalived.places import Place, Remarks
from roost.keepalived.tracking import user
from roost.keepalived.tree import Entry

__all__ = ["KNOWN_TOP", "Globals", "global_definitions"]

_OWN: Final = ("needless", "Roost sees to it itself")
_TIMES: Final = ("needless", "Roost repeats gratuitous packets with back-off, within announce.gratuitousRate")
_STAYS: Final = ("lost", "what does not move is the host's own; set it in the host's network configuration")
_MAIL: Final = (
    "changed",
    "Roost sends no mail; `roost status --check`, metrics with alert rules, and hooks tell",
)
_FIFO: Final = ("lost", "there are no FIFOs; a hook is called in exact order, and may write to one")
_GLOBAL: Final[Mapping[str, Fate]] = {
    "router_id": ("needless", "the node's name is `node`, by default the hostname"),
    "vrrp_iptables": _OWN,
    "enable_script_security": ("needless", "`roost check` warns of programs that others may write to"),
    "notification_email": _MAIL,
    "notification_email_from": _MAIL,
    "smtp_server": _MAIL,
    "smtp_connect_timeout": _MAIL,
    "smtp_helo_name": _MAIL,
    "smtp_alert": _MAIL,
    "smtp_alert_vrrp": _MAIL,
    "smtp_alert_checker": _MAIL,
    "no_email_faults": _MAIL,
    **dict.fromkeys(
        ("garp_master_delay", "garp_master_repeat", "garp_lower_prio_delay", "garp_lower_prio_repeat",
         "vrrp_garp_master_delay", "vrrp_garp_master_repeat", "vrrp_garp_lower_prio_delay",
         "vrrp_garp_lower_prio_repeat", ""
"vrrp_garp_master_refresh_repeat", "vrrp_garp_interval", "vrrp_gna_interval",
         "vrrp_min_garp", "vrrp_garp_extra_if", "vrrp_lower_prio_no_advert", "vrrp_higher_prio_send_advert"),
        _TIMES,
    ),
    **dict.fromkeys(
        ("vrrp_skip_check_adv_addr", "vrrp_check_unicast_src", "vrrp_ipsets", "nftables",
         "nftables_priority", "nftables_counters", "nftables_ifindex", "nftables_ipvs",
         "nftables_ipvs_priority", "nftables_ipvs_start_fwmark", "disable_local_igmp",
         "max_auto_priority", "min_auto_priority_delay", "vrrp_priority", "checker_priority",
         "bfd_priority", "vrrp_no_swap", "checker_no_swap", "bfd_no_swap", "vrrp_cpu_affinity",
         "checker_cpu_affinity", "bfd_cpu_affinity", "vrrp_rt_priority", "checker_rt_priority",
         "bfd_rt_priority", "vrrp_rlimit_rttime", "checker_rlimit_rttime", "bfd_rlimit_rttime",
         "dynamic_interfaces", "vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_cmd_rcv_bufs_force",
         "vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force",
         "lvs_netlink_cmd_rcv_bufs", "lvs_netlink_monitor_rcv_bufs", "vrrp_rx_bufs_policy",
         "vrrp_rx_bufs_multiplier", "rs_init_notifies", "no_checker_emails", "umask",
         "use_symlink_paths", "vrrp_startup_delay", "log_unknown_vrids", "random_seed",
         "tmp_config_directory", "config_save_dir", "process_names", "process_name", "vrrp_process_name",
         "checker_process_name", "bfd_process_name", "data_use_instance", "lvs_flush",
         "lvs_flush_onstop", "lvs_flush_on_stop", "checker_log_all_failures", "lvs_id",
         "default_interface", "reload_file", "reload_repeat", "script_security", "lvs_timeouts",
         "shutdown_script_timeout", "startup_script_timeout"),
        _OWN,
    ),
    "lvs_sync_daemon": ("needless", "connections survive without a daemon that copies them"),
    "lvs_sync_daemon_interface": ("needless", "connections survive without a daemon that copies them"),
    **dict.fromkeys(("vrrp_mcast_group4", "vrrp_mcast_group6"), ("lost", "Roost sends to VRRP's own group, "
"or to peers by unicast")),
    "vrrp_down_timer_adverts": ("lost", "a master is down after three intervals, as the RFC says"),
    "vrrp_strict": ("changed", "Roost has one mode: what strict mode would refuse in this file is expressed"),
    **dict.fromkeys(("startup_script", "shutdown_script"), ("lost", "systemd's ExecStartPre and "
"ExecStopPost run programs")),
    **dict.fromkeys(
        ("snmp_socket", "enable_snmp_vrrp", "enable_snmp_checker", "enable_snmp_rfc",
         "enable_snmp_rfcv2", "enable_snmp_rfcv3", "enable_traps", "enable_snmp_keepalived"),
        ("lost", "there is no SNMP; status.http has metrics and JSON"),
    ),
    **dict.fromkeys(("enable_dbus", "dbus_service_name"), ("lost", "there is no D-Bus; `roost status "
"--watch --json` follows")),
    **dict.fromkeys(
        ("notify_fifo", "notify_fifo_script", "vrrp_notify_fifo", "vrrp_notify_fifo_script",
         "lvs_notify_fifo", "lvs_notify_fifo_script", "fifo_write_vrrp_states_on_reload",
         "vrrp_notify_priority_changes"),
        _FIFO,
    ),
    **dict.fromkeys(
        ("bfd_rlimit_rtime", "checker_rlimit_rtime", "vrrp_rlimit_rtime", "include_check",
         "iproute_etc_dir", "iproute_usr_dir", "lvs_netlink_cmd_rcv_bufs_force",
         "lvs_netlink_monitor_rcv_bufs_force", "lvs_process_name", "process_monitor_rcv_bufs",
         "process_monitor_rcv_bufs_force", "reload_check_config", "set_supplementary_groups",
         "vmac_prefix", "vrrp_delay_after_boot", "json_version"),
        _OWN,
    ),
    **dict.fromkeys(
        ("json_dump_file", "state_dump_file", "stats_dump_file"), ("needless", "`roost status --json` "
"tells the state")
    ),
    **dict.fromkeys(
        ("snmp_rs_stats_update_interval", "snmp_vs_stats_update_interval", "dbus_no_interface_name"),
        ("lost", "there is no SNMP and no D-Bus; status.http has metrics and JSON"),
    ),
    "vmac_addr_prefix": ("lost", "the address is always VRRP's own for a router"),
    "vrrp_vmac_garp_intvl": _TIMES,
    "vrrp_owner_ignore_adverts": ("lost", "an owner follows the RFC"),
    "reload_time_file": ("lost", "SIGHUP reloads; a timer of systemd may send it"),
}  # fmt: skip
KNOWN_TOP: Final[Mapping[str, Fate]] = {
    "static_ipaddress": _STAYS,
    "static_routes": _STAYS,
    "static_rules": _STAYS,
    "track_group": _STAYS,
    "interface_up_down_delays": ("lost", "an interface counts at once; rise and fall of a check on it damp"),
    "linkbeat_interfaces": _OWN,
    "linkbeat_use_polling": _OWN,
    "garp_group": _TIMES,
    "bfd_instance": ("lost", "Roost has no BFD; its own detection takes its place among Roost's nodes"),
    "net_namespace": ("lost", "start the speaker in the namespace: ip netns exec NAME roost speaker ..."),
    "net_namespace_ipvs": (
        "lost",
        "start the speaker in the namespace: ip netns exec NAME roost speaker ...",
    ),
    "namespace_with_ipsets": _OWN,
    "instance": ("needless", "one speaker runs in a network namespace"),
    "use_pid_dir": _OWN,
    "child_wait_time": _OWN,
    "ssl": ("lost", "https checks trust whom this host trusts, or caFile"),
}


class Globals:
    """What the file says for all instances; each with where it does."""

    def __init__(self) -> None:
        self.version: tuple[int, Place | None] = (2, None)
        self.refresh: tuple[float, Place] | None = None
        self.plain_checksum: Place | None = None


def global_definitions(entries: list[Entry], remarks: Remarks) -> Globals:
    """Read all `global_defs`."""
    made = Globals()
    for entry in entries:
        fields = Fields(entry.entries, remarks)
        if (given := fields.one("vrrp_version")) and (version := number(given, 2, 3, remarks)):
            made.version = (int(version), given.place)
        if (given := fields.one("vrrp_garp_master_refresh")) and (
            refresh := number(given, 0, 86400, remarks)
        ):
            made.refresh = (refresh, given.place)
        if is_true(given := fields.one("v3_checksum_as_v2")) and given:
            made.plain_checksum = given.place
        if given := fields.one("script_user"):
            user(given, given.words[1:], remarks)
        for keyword in ("smtp_alert", "smtp_alert_vrrp", "smtp_alert_checker"):
            for given in fields.every(keyword):
                if is_true(given):
                    remarks.lost(given.place, given.text, _MAIL[1])
        fields.finish(_GLOBAL)
    return made
