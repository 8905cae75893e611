"""What each of their blocks becomes, and what is said of the lines that become nothing."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.keepalived.made import made, plain, told

from roost.keepalived import FilesOnDisk, UnreadableError, Wishes, convert
from roost.keepalived.keywords import KEYWORDS

PAIR = """\
! Configuration File for keepalived
global_defs {
    router_id LVS_DEVEL
    vrrp_skip_check_adv_addr
}
vrrp_script chk_nginx {
    script "killall -0 nginx"   # cheaper than pidof
    interval 2
    weight -20
    fall 3
    rise 2
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 150
    advert_int 1
    nopreempt
    unicast_src_ip 192.0.2.11
    unicast_peer {
        192.0.2.12
    }
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    virtual_ipaddress {
        192.0.2.200/24 dev eth0 label eth0:1
    }
    track_script {
        chk_nginx
    }
    track_interface {
        eth1
    }
    notify_master "/etc/keepalived/master.sh -v 'a b'"
    notify /etc/keepalived/notify.sh
}
"""


def instance(inside: str, name: str = "VI_1", address: str = "192.0.2.1", vrid: int = 51) -> str:
    return (
        f"vrrp_instance {name} {{\nvirtual_router_id {vrid}\n"
        f"virtual_ipaddress {{\n{address}\n}}\n{inside}\n}}\n"
    )


def router(text: str, folder: Path) -> dict[str, object]:
    (service,) = plain(made(folder, text))["services"]
    return dict(service["election"]["vrrp"])


def test_a_pair_of_routers(tmp_path: Path) -> None:
    conversion = made(tmp_path, PAIR)
    assert told(conversion) == []
    assert plain(conversion) == {
        "services": [
            {
                "name": "VI_1",
                "addresses": ["192.0.2.200"],
                "interfaces": ["eth0"],
                "election": {
                    "vrrp": {
                        "vrid": "51",
                        "version": "2",
                        "priority": "150",
                        "interval": "1s",
                        "interface": "eth0",
                        "preempt": "false",
                        "peers": ["192.0.2.12"],
                        "auth": {"pass": "1111"},
                    }
                },
                "track": [
                    {
                        "command": ["killall", "-0", "nginx"],
                        "interval": "2s",
                        "timeout": "2s",
                        "rise": "2",
                        "fall": "3",
                        "weight": "-20",
                    },
                    {"interface": "eth1"},
                ],
            }
        ],
        "hooks": [
            {
                "run": ["/etc/keepalived/master.sh", "-v", "a b"],
                "on": ["leading"],
                "services": ["VI_1"],
                "arguments": "none",
                "timeout": "60s",
            },
            {
                "run": ["/etc/keepalived/notify.sh"],
                "on": ["leading", "standby", "unfit", "stopped"],
                "services": ["VI_1"],
                "arguments": "keepalived",
                "timeout": "60s",
            },
        ],
    }


def test_comments_name_the_lines(tmp_path: Path) -> None:
    lines = made(tmp_path, PAIR).text.splitlines()
    assert any(line.endswith("# line 16") and "vrid: 51" in line for line in lines)
    assert any(line.endswith("# lines 32, 6") and "killall" in line for line in lines)


def test_every_line_is_expressed_or_named(tmp_path: Path) -> None:
    conversion = made(tmp_path, PAIR.replace("nopreempt", "nopreempt\ndown_timer_adverts 5\nmystery 7"))
    named = {each.place.line: each.kind for each in conversion.remarks}
    assert named == {
        3: "needless",
        4: "needless",
        14: "needless",
        20: "lost",
        21: "needless",
        22: "changed",
        31: "needless",
    }


def test_hash_keeps_what_is_not_vrrps_own(tmp_path: Path) -> None:
    result = plain(made(tmp_path, PAIR, node="n1", election="hash"))
    assert result["node"] == "n1"
    assert result["membership"] == {"bind": "192.0.2.11", "join": ["192.0.2.12:7946"]}
    assert result["services"][0]["failback"] == "never"
    assert "election" not in result["services"][0]


def test_hash_asks_for_an_address_that_the_file_does_not_tell(tmp_path: Path) -> None:
    (tmp_path / "k.conf").write_text(instance(""))
    alone = convert(tmp_path / "k.conf", FilesOnDisk(), Wishes(election="hash"), {}, "h")
    assert [each.what for each in alone.of_kind("lost")] == ["membership"]
    assert alone.text.splitlines()[1] == "# 1 of its parts have no counterpart: see the end."
    others = convert(tmp_path / "k.conf", FilesOnDisk(), Wishes(election="hash", bind="192.0.2.1"), {}, "h")
    assert [each.what for each in others.of_kind("changed")] == ["membership.join"]


def test_conditions_need_a_node(tmp_path: Path) -> None:
    text = instance("@a priority 200\n@b priority 100\n")
    with pytest.raises(UnreadableError, match="--node, one of: a, b"):
        made(tmp_path, text)
    (tmp_path / "k.conf").write_text(text)
    here = convert(tmp_path / "k.conf", FilesOnDisk(), Wishes(), {}, "a.example.net")
    assert plain(here)["services"][0]["election"]["vrrp"]["priority"] == "200"
    result = plain(made(tmp_path, text, node="b"))
    assert (result["node"], result["services"][0]["election"]["vrrp"]["priority"]) == ("b", "100")


@pytest.mark.parametrize(
    ("weight", "reverse", "priority", "ours"),
    [
        (20, "", "120", "-20"),
        (-20, "", "100", "-20"),
        (20, "reverse", "80", "20"),
        (-20, "reverse", "100", "20"),
    ],
)
def test_weights_count_while_a_check_fails(
    tmp_path: Path, weight: int, reverse: str, priority: str, ours: str
) -> None:
    """A positive weight of theirs is added while the check is good: so it is in the priority, and is lost."""
    script = f"vrrp_script a {{\nscript /bin/a\nweight {weight} {reverse}\n}}\n"
    result = plain(made(tmp_path, script + instance("track_script {\na\n}")))["services"][0]
    assert (result["election"]["vrrp"]["priority"], result["track"][0]["weight"]) == (priority, ours)


def test_a_weight_where_a_script_is_tracked_counts_more_than_its_own(tmp_path: Path) -> None:
    script = "vrrp_script a {\nscript /bin/a\nweight -2\n}\n"
    result = plain(made(tmp_path, script + instance("track_script {\na weight -7\n}")))
    assert result["services"][0]["track"][0]["weight"] == "-7"


@pytest.mark.parametrize(
    ("script", "argv"),
    [
        ('"/usr/bin/pgrep -x nginx"', ["/usr/bin/pgrep", "-x", "nginx"]),
        ("/etc/check.sh", ["/etc/check.sh"]),
        ("\"ss -ltn | grep ':80 '\"", ["/bin/sh", "-c", "ss -ltn | grep ':80 '"]),
        ('"</dev/tcp/127.0.0.1/80"', ["/bin/sh", "-c", "</dev/tcp/127.0.0.1/80"]),
        ("\"/bin/a '|'\"", ["/bin/a", "|"]),
    ],
)
def test_scripts(tmp_path: Path, script: str, argv: list[str]) -> None:
    text = f"vrrp_script a {{\nscript {script}\n}}\n" + instance("track_script {\na\n}")
    track = plain(made(tmp_path, text))["services"][0]["track"][0]
    assert track == {"command": argv, "interval": "1s", "timeout": "1s", "rise": "1", "fall": "1"}


def test_processes_and_files(tmp_path: Path) -> None:
    text = (
        "vrrp_track_process p {\nprocess /usr/sbin/haproxy\n}\n"
        "track_file f {\nfile /run/w\n}\ntrack_file z {\nfile /run/z\nweight 0\n}\n"
        + instance("track_process {\np weight 0\n}\ntrack_file {\nf\nz\n}")
    )
    track = plain(made(tmp_path, text))["services"][0]["track"]
    assert track[:2] == [{"process": {"name": "haproxy"}}, {"file": "/run/w"}]
    assert track[2]["command"] == ["/bin/sh", "-c", "read n < '/run/z'; [ \"$n\" = 0 ]"]


def test_keepalived_ignores_nopreempt_beside_state_master(tmp_path: Path) -> None:
    conversion = made(tmp_path, instance("state MASTER\nnopreempt"))
    assert "preempt" not in plain(conversion)["services"][0]["election"]["vrrp"]
    assert (7, "nopreempt") in told(conversion, "needless")
    assert router(instance("state BACKUP\npreempt_delay 300"), tmp_path)["preempt"] == "300s"


def test_addresses_are_answered_for_on_their_own_link(tmp_path: Path) -> None:
    text = instance("interface eth1", address="192.0.2.1/24 dev eth0.7")
    (service,) = plain(made(tmp_path, text))["services"]
    assert service["interfaces"] == ["eth0\\.7"]
    assert service["election"]["vrrp"]["interface"] == "eth1"
    virtual = made(tmp_path, instance("interface eth1\nuse_vmac", address="192.0.2.1 dev eth0"))
    assert plain(virtual)["services"][0]["interfaces"] == ["eth1"]
    assert told(virtual) == [(4, "dev eth0")]
    mixed = instance("interface eth1", address="192.0.2.1 dev eth0\n192.0.2.2")
    assert plain(made(tmp_path, mixed))["services"][0]["interfaces"] == ["eth1", "eth0"]


def test_versions_and_what_they_can_say(tmp_path: Path) -> None:
    assert router(instance("advert_int 0.5"), tmp_path)["interval"] == "1s"
    third = router("global_defs {\nvrrp_version 3\n}\n" + instance("advert_int 0.5\nuse_vmac"), tmp_path)
    assert (third["version"], third["interval"], third["virtualMac"]) == ("3", "500ms", "true")
    assert router(instance("", address="2001:db8::1/64"), tmp_path)["version"] == "3"
    old = router(instance("authentication {\nauth_type PASS\nauth_pass 123456789\n}"), tmp_path)
    assert old["auth"] == {"pass": "12345678"}
    assert "auth" not in router(instance("version 3\nauthentication {\nauth_pass 1\n}"), tmp_path)
    assert router(instance("version 3\nv3_checksum_as_v2"), tmp_path)["checksum"] == "rfc9568"


def test_a_group_moves_together_without_weights(tmp_path: Path) -> None:
    script = "vrrp_script a {\nscript /bin/a\nweight -2\n}\n"
    group = "vrrp_sync_group G 1 {\ngroup {\nA\nB\n}\nnotify_master /bin/m\nnotify /bin/n\n}\n"
    members = instance("priority 150\ntrack_script {\na\n}", "A") + instance("", "B", "192.0.2.2", 52)
    text = script + group.replace("G 1", "G") + members
    conversion = made(tmp_path, text)
    first, second = plain(conversion)["services"]
    assert first["election"]["vrrp"]["group"] == second["election"]["vrrp"]["group"] == "G"
    assert second["election"]["vrrp"]["priority"] == "150"  # whoever moves together agrees on who leads
    assert "weight" not in first["track"][0]
    hooks = plain(conversion)["hooks"]
    assert [hook["services"] for hook in hooks] == [["A"], ["A"]]
    (together,) = plain(made(tmp_path, text, election="hash"))["services"]
    assert (together["name"], together["addresses"]) == ("G", ["192.0.2.1", "192.0.2.2"])


def test_ipv6_beside_version_2_moves_together_with_it(tmp_path: Path) -> None:
    script = "vrrp_script a {\nscript /bin/a\nweight 20\n}\n"
    text = script + instance("track_script {\na\n}", address="192.0.2.1\n2001:db8::1/64")
    conversion = made(tmp_path, text)
    first, second = plain(conversion)["services"]
    assert (first["name"], second["name"], told(conversion)) == ("VI_1", "VI_1-ipv6", [])
    assert (first["addresses"], second["addresses"]) == (["192.0.2.1"], ["2001:db8::1"])
    ours, other = first["election"]["vrrp"], second["election"]["vrrp"]
    assert (ours["version"], other["version"]) == ("2", "3")
    assert ours["group"] == other["group"]
    assert ours["priority"] == other["priority"] == "120"
    assert len(first["track"]) == 1
    assert "track" not in second, "it moves with the first, and a weight would count twice"
    (both,) = plain(made(tmp_path, text, election="hash"))["services"]
    assert both["addresses"] == ["192.0.2.1", "2001:db8::1"]


def test_a_lone_real_servers_end_is_told_when_the_node_is_unfit(tmp_path: Path) -> None:
    real = "real_server 198.51.100.6 80 {{\nnotify_down /bin/down\nTCP_CHECK {{\n}}\n}}\n"
    one = "virtual_server 192.0.2.1 80 {{\n" + real + "}}\n"
    conversion = made(tmp_path, instance("") + one.format())
    (hook,) = plain(conversion)["hooks"]
    assert (hook["run"], hook["on"], told(conversion)) == (["/bin/down"], ["unfit"], [])
    two = one.format().replace("real_server", real.format() + "real_server", 1).replace("100.6", "100.7", 1)
    assert {what for _, what in told(made(tmp_path, instance("") + two))} == {"notify_down /bin/down"}


def test_what_keepalived_passes_over_is_not_lost(tmp_path: Path) -> None:
    conversion = made(tmp_path, instance("priority 300\nweigth 3\n}"))
    assert told(conversion) == []
    assert told(conversion, "changed") == [(6, "priority 300")]
    assert told(conversion, "needless") == [(7, "weigth 3"), (9, "}")]


def test_routes_are_hooks(tmp_path: Path) -> None:
    text = instance(
        "virtual_routes {\n198.51.100.0/24 gw 192.0.2.254 dev eth1 no_track\nblackhole 2001:db8::/64\n}"
    )
    hooks = plain(made(tmp_path, text))["hooks"]
    others = ["standby", "unfit", "stopped"]
    assert [(hook["run"], hook["on"]) for hook in hooks] == [
        (["ip", "route", "replace", "198.51.100.0/24", "via", "192.0.2.254", "dev", "eth1"], ["leading"]),
        (["ip", "route", "del", "198.51.100.0/24", "via", "192.0.2.254", "dev", "eth1"], others),
        (["ip", "-6", "route", "replace", "blackhole", "2001:db8::/64"], ["leading"]),
        (["ip", "-6", "route", "del", "blackhole", "2001:db8::/64"], others),
    ]  # fmt: skip


BALANCED = """\
virtual_server 192.0.2.1 80 {
    delay_loop 6
    lb_algo wrr
    lb_kind NAT
    protocol TCP
    quorum 2
    alpha
    sorry_server 198.51.100.9 8080
    virtualhost www.example.net
    real_server 198.51.100.6 8080 {
        weight 3
        HTTP_GET {
            url {
                path /healthz
                status_code 200 204
            }
            connect_timeout 3
            retry 2
            delay_before_retry 3
        }
    }
    real_server 198.51.100.7 8080 {
        HTTP_GET {
            url {
                path /healthz
                status_code 200 204
            }
            connect_timeout 3
            retry 2
            delay_before_retry 3
        }
    }
}
"""


def test_virtual_servers(tmp_path: Path) -> None:
    text = instance("", address="192.0.2.1\n198.51.100.254/24") + BALANCED
    conversion = made(tmp_path, text)
    (service,) = plain(conversion)["services"]
    assert told(conversion) == []
    assert service["addresses"] == ["192.0.2.1"]
    assert service["deliver"] == "forward"
    assert service["ports"] == [{"port": "80", "protocol": "TCP"}]
    assert service["backends"] == [
        {"address": "198.51.100.6", "port": "8080", "weight": "3"},
        {"address": "198.51.100.7", "port": "8080"},
    ]
    assert service["forward"] == {
        "gateway": "198.51.100.254",
        "source": "keep",
        "health": {
            "http": "/healthz",
            "expect": "200,204",
            "host": "www.example.net",
            "interval": "6s",
            "timeout": "3s",
            "rise": "1",
            "fall": "3",
            "alpha": "true",
        },
        "quorum": "2",
        "sorry": {"address": "198.51.100.9", "port": "8080"},
    }


def test_ports_of_one_address_with_the_same_backends_are_one_service(tmp_path: Path) -> None:
    check = "TCP_CHECK {{\nconnect_port {0}\n}}"
    real = f"real_server 198.51.100.6 {{0}} {{{{\n{check}\n}}}}"
    one = f"virtual_server 192.0.2.1 {{0}} {{{{\nlb_kind DR\n{real}\n}}}}\n"
    (service,) = plain(made(tmp_path, instance("") + one.format(80) + one.format(443)))["services"]
    assert [each["port"] for each in service["ports"]] == ["80", "443"]
    assert service["backends"] == [{"address": "198.51.100.6"}]
    assert service["forward"]["source"] == "masquerade"
    assert service["forward"]["health"]["tcp"] == "true"
    other = one.format(443).replace("198.51.100.6", "198.51.100.8")
    conversion = made(tmp_path, instance("") + one.format(80) + other)
    assert [what for _, what in told(conversion)] == ["virtual_server 192.0.2.1 443"]


def test_groups_of_virtual_servers_and_their_ranges(tmp_path: Path) -> None:
    text = (
        "virtual_server_group g {\n192.0.2.1-3 53\nfwmark 7\n}\n"
        + instance("", address="192.0.2.1\n192.0.2.2\n192.0.2.3")
        + "virtual_server group g {\nprotocol UDP\nreal_server 198.51.100.6 53 {\n"
        + "DNS_CHECK {\nname example.net\n}\n}\n}\n"
    )
    conversion = made(tmp_path, text)
    (service,) = plain(conversion)["services"]
    assert told(conversion) == [(3, "fwmark 7")]
    assert told(conversion, "changed")[-1][1].startswith("lb_kind")
    assert service["ports"] == [{"port": "53", "protocol": "UDP"}]
    assert service["forward"]["health"] == {
        "dns": "example.net",
        "record": "SOA",
        "interval": "60s",
        "timeout": "5s",
        "rise": "1",
        "fall": "4",
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (instance("", address="VIP"), "VIP"),
        (instance("", address="${VIP}"), "${VIP}"),
        ("vrrp_instance A {\nvirtual_ipaddress {\n192.0.2.1\n}\n}\n", "vrrp_instance A"),
        ("static_routes {\n192.0.2.0/24 dev eth0\n}\n", "static_routes"),
        (instance("track_script {\n}\nauth_hmac {\n}"), "auth_hmac"),
        (instance("smtp_alert"), "smtp_alert"),
        (instance("notify_master /bin/a nobody"), "notify_master /bin/a nobody"),
        ("virtual_server fwmark 1 {\n}\n", "virtual_server fwmark 1"),
        (instance("") + "virtual_server 192.0.2.9 80 {\n}\n", "virtual_server 192.0.2.9 80"),
        (instance("") + instance("", "B", vrid=52), "192.0.2.1"),
        (instance("") + instance("", "B", "192.0.2.2"), "virtual_router_id 51"),
        (instance("notify scripts/a.sh"), "notify scripts/a.sh"),
        (instance("interface ${IFACE}"), "interface ${IFACE}"),
    ],
)
def test_what_has_no_counterpart_is_named(tmp_path: Path, text: str, what: str) -> None:
    assert what in [each for _, each in told(made(tmp_path, text))]


def test_no_remark_holds_a_password(tmp_path: Path) -> None:
    text = instance(
        "authentication {\nauth_pass s3cret\nauth_pass s3cret\nauth_type NONE\n}\nauth_pass s3cret"
    )
    remarks = made(tmp_path, text).remarks
    assert any("auth_pass" in each.what for each in remarks)
    assert not any("s3cret" in str(each) for each in remarks)


def test_no_text_of_theirs_gets_out_of_a_comment_or_a_value(tmp_path: Path) -> None:
    text = instance('auth_pass "a\x0bb"\ninterface "x\x85y: [z"\nnotify "/bin/a \'b\\nservices: []\'"\n')
    result = plain(made(tmp_path, text + "a\x0c\x85services: []\n"))
    assert len(result["services"]) == 1
    assert result["hooks"][0]["run"] == ["/bin/a", "b\nservices: []"]


WORDS = st.sampled_from(
    [
        *sorted(KEYWORDS)[::3],
        *("{", "}", "{{", "}}", '"', "'", "\\", "#", "!", "@n1", "@^n1", "$A", "${A}", "$A=x", "${_ENV X}"),
        *("~SEQ(A,1,3)", "~LST(A,1,2)", "include", "192.0.2.1", "192.0.2.1/24", "2001:db8::1", "80", "-5"),
        *("1e999", "nan", "weight", "reverse", "VI_1", "vrrp_instance VI_1 {", "virtual_ipaddress {"),
        *("virtual_server 192.0.2.1 80 {", "real_server 192.0.2.2 80 {"),
    ]
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(WORDS | st.text(max_size=4), max_size=5), max_size=30),
    st.sampled_from(["hash", "vrrp"]),
)
def test_nothing_but_its_own_error_gets_out(tmp_path: Path, lines: list[list[str]], election: str) -> None:
    text = "\n".join(" ".join(line) for line in lines)
    (tmp_path / "k.conf").write_text(text, encoding="utf-8", errors="replace")
    wishes = Wishes("n1", "hash" if election == "hash" else "vrrp", bind="192.0.2.11")
    try:
        conversion = convert(tmp_path / "k.conf", FilesOnDisk(), wishes, {}, "h")
    except UnreadableError:
        return
    assert plain(conversion) is not None
