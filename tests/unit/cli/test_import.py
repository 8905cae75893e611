"""`roost import`: the result on stdout or in a file of its owner, what was left out on stderr."""

import json
import stat
from pathlib import Path

from click.testing import CliRunner

from roost.cli import main

TEXT = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\nvirtual_ipaddress {\n192.0.2.1\n}\n"


def test_result_and_remarks_go_their_own_ways(tmp_path: Path) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text(TEXT + "auth_hmac {\n}\n}\n")
    done = CliRunner().invoke(main, ["import", str(file)])
    assert done.exit_code == 1
    assert "- name: A" in done.stdout
    assert f"{file}:7: auth_hmac: " in done.stderr
    assert "no counterpart (1):" in done.stderr
    assert "# line 7: auth_hmac: " in done.stdout


def test_a_file_is_its_owners_and_never_replaced(tmp_path: Path) -> None:
    file, output = tmp_path / "keepalived.conf", tmp_path / "roost.yaml"
    file.write_text(TEXT + "}\n")
    arguments = ["import", str(file), "-o", str(output)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert CliRunner().invoke(main, ["check", str(output)]).exit_code == 0
    again = CliRunner().invoke(main, arguments)
    assert (again.exit_code, again.stderr) == (3, f"roost: {output} cannot be written: File exists\n")


def test_json_holds_both(tmp_path: Path) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text(TEXT + "state BACKUP\n}\n")
    done = CliRunner().invoke(main, ["import", str(file), "--json"])
    told = json.loads(done.stdout)
    assert told["ok"]
    assert "- name: A" in told["configuration"]
    assert {each["kind"] for each in told["remarks"]} == {"needless"}


def test_what_is_no_file_of_keepaliveds_is_said_so_and_nothing_is_written(tmp_path: Path) -> None:
    own, output = tmp_path / "roost.yaml", tmp_path / "made.yaml"
    own.write_text("node: n1\nservices:\n  - name: web\n    addresses: [192.0.2.200]\n")
    done = CliRunner().invoke(main, ["import", str(own), "-o", str(output)])
    assert (done.exit_code, done.stdout, output.exists()) == (1, "", False)
    assert "no vrrp_instance and no virtual_server" in done.stderr
    assert "roost check" in done.stderr


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["import", str(tmp_path / "none")])
    assert (done.exit_code, done.stderr) == (
        1,
        f"roost: {tmp_path}/none cannot be read: No such file or directory\n",
    )
