"""The key `failback`: what it may be, what it means, and that nodes which differ in it notice."""

import math
from pathlib import Path

import pytest

from roost.standalone import load
from roost.standalone.document import parse
from roost.standalone.failback import idle_failback

SERVICE = "node: n1\nservices:\n- name: web\n  addresses: [192.0.2.1]\n"


def loaded(tmp_path: Path, text: str) -> tuple[object, list[str]]:
    path = tmp_path / "roost.yaml"
    path.write_text(text)
    found = load(path)
    return found.config, [str(each) for each in found.problems]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("always", 0.0), ("never", math.inf), ("30s", 30.0), ("2.5", 2.5), ("500ms", 0.5), ("0", 0.0)],
)
def test_what_it_may_be(tmp_path: Path, text: str, seconds: float) -> None:
    path = tmp_path / "roost.yaml"
    path.write_text(f"{SERVICE}  failback: {text}\n")
    config = load(path).config
    assert config is not None
    (service,) = config.desired().services
    assert service.failback == seconds
    assert service.stays == (seconds > 0)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("nevr", "'nevr' is neither always, never nor a duration up to a day (write never, or such as 30s)"),
        ("25h", "'25h' is neither always, never nor a duration up to a day"),
        ("-1", "out of range"),
        ("false", "is not a duration"),
        ("[never]", "is not a duration"),
    ],
)
def test_what_it_may_not_be(tmp_path: Path, text: str, cause: str) -> None:
    config, (problem,) = loaded(tmp_path, f"{SERVICE}  failback: {text}\n")
    assert config is None
    assert ":5:13: error: services[0].failback" in problem
    assert cause in problem


def test_nodes_that_differ_in_it_have_other_digests(tmp_path: Path) -> None:
    path = tmp_path / "roost.yaml"
    digests = {}
    for text in ("", "  failback: always\n", "  failback: never\n", "  failback: 30s\n", "  failback: 30\n"):
        path.write_text(SERVICE + text)
        config = load(path).config
        assert config is not None
        digests[text] = config.digest
    assert digests[""] == digests["  failback: always\n"], "it is the default"
    assert digests["  failback: 30s\n"] == digests["  failback: 30\n"]
    assert len(set(digests.values())) == 3


def test_beside_sharing_it_has_no_say() -> None:
    text = "services:\n- {name: a, addresses: [192.0.2.1], failback: never, sharing: per-client}\n"
    ((path, spot, finding),) = idle_failback(parse(text))
    assert (path, spot.line) == (("services", 0, "failback"), 2)
    assert finding.cause.startswith("has no effect beside sharing")


def test_beside_vrrp_it_has_no_say() -> None:
    text = "services:\n- {name: a, addresses: [192.0.2.1], failback: never, election: {vrrp: {vrid: 1}}}\n"
    ((path, _, finding),) = idle_failback(parse(text))
    assert path == ("services", 0, "failback")
    assert "preempt" in finding.cure


@pytest.mark.parametrize(
    "text",
    [
        "failback: never",
        "failback: always, sharing: per-client",
        "sharing: leader",
        "failback: never, sharing: {by: connection}",
    ],
)
def test_where_nothing_is_wrong_nothing_is_said(text: str) -> None:
    whole = f"services:\n- {{name: a, addresses: [192.0.2.1], {text}}}\n"
    assert list(idle_failback(parse(whole))) == []
