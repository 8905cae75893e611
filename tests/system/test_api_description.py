"""docs/reference/openapi.yaml against real servers: whatever it allows is answered as it says."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi import checks
from tests.browser.relay import relay
from tests.system.netns import NETNS
from tests.system.speakers import Lan, lan, services, until

pytestmark = NETNS

DESCRIPTION = Path("docs/reference/openapi.yaml")
VIPS = ("192.0.2.200", "192.0.2.201")
HTTP = "127.0.0.1:7473"
# What is no number, or unknown, in a query means nothing here, instead of an error.
LENIENT = [checks.negative_data_rejection, checks.positive_data_acceptance, checks.ignored_auth]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    with lan(tmp_path_factory.mktemp("lan"), 2) as made:
        made.configure(services(VIPS))
        for speaker in made.speakers:
            speaker.write(status={"socket": str(speaker.socket), "http": HTTP})
        made.start()
        yield made


KNOWN = {"Key": [VIPS[0], "s201", "2001:db8::1"], "Node": ["n1", "n2", "n9"]}


def described(tag: str, *, by_known_names: bool = False) -> dict[str, Any]:
    """The paths that have a tag; asked for by any names, or by some of the cluster's."""
    document: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text())
    if by_known_names:
        for name, parameter in document["components"]["parameters"].items():
            parameter["schema"]["enum"] = KNOWN[name]
    for path in document["paths"].values():
        for method in [key for key, each in path.items() if tag not in dict(_tags(key, each))]:
            if method != "parameters":
                del path[method]
    document["paths"] = {
        path: each for path, each in document["paths"].items() if each.keys() - {"parameters"}
    }
    return document


def _tags(key: str, operation: Any) -> Iterator[tuple[str, str]]:
    if key != "parameters":
        yield from ((tag, key) for tag in operation["tags"])


def hold(tag: str, address: str, examples: int = 25, **known: Any) -> set[str]:
    """Ask for all that has that tag, in many ways; return the statuses that there were, by operation."""
    schemas = [schemathesis.openapi.from_dict(described(tag, by_known_names=each)) for each in (False, True)]
    seen: set[str] = set()
    operations: list[Any] = [found for schema in schemas for found in schema.get_all_operations()]
    for operation in (found.ok() for found in operations):

        @given(case=operation.as_strategy())
        @settings(
            max_examples=examples,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        def check(case: Any) -> None:
            response = case.call(base_url=address.rstrip("/"), **known)
            case.validate_response(response, excluded_checks=LENIENT)
            seen.add(f"{case.method} {case.path} {response.status_code}")

        check()
    return seen


def test_a_speaker_over_tcp(cluster: Lan) -> None:
    node = cluster.speakers[0]
    with node.namespace.entered():
        seen = hold("speaker", f"http://{HTTP}")
    answered = ("status", "events", "what-if", "explain/{key}", "drain/{node}")
    assert {"GET /metrics 200", *(f"GET /v1/{each} 200" for each in answered)} <= seen
    assert {"GET /v1/explain/{key} 404", "GET /v1/drain/{node} 404"} <= seen
    assert not node.text().count("Traceback")


def test_a_speaker_over_its_socket(cluster: Lan) -> None:
    node = cluster.speakers[0]
    with relay(node.socket) as address:
        seen = hold("socket", address)
    assert {f"POST /v1/drain/{{node}} {status}" for status in (200, 404)} <= seen
    assert "POST /v1/forget/{node} 404" in seen
    assert not node.text().count("Traceback")


def test_a_dashboard(cluster: Lan) -> None:
    command = [sys.executable, "-m", "roost", "dashboard", "--listen", "127.0.0.1:0"]
    sockets = [part for each in cluster.speakers for part in ("--socket", str(each.socket))]
    board = subprocess.Popen([*command, *sockets], stdout=subprocess.PIPE, text=True)
    try:
        assert board.stdout is not None
        url = urlsplit(board.stdout.readline().strip())
        token = {"Authorization": f"Bearer {url.fragment.removeprefix('token=')}"}
        address = f"http://{url.netloc}"
        until(
            lambda: "GET /v1/what-if 200" in hold("dashboard", address, 3, headers=token), "it found speakers"
        )
        seen = hold("dashboard", address, headers=token)
        assert {f"POST /v1/act/{{act}}/{{node}} {status}" for status in (200, 404)} <= seen
        seen = hold("dashboard", address)
        assert "POST /v1/act/{act}/{node} 403" in seen
    finally:
        board.terminate()
        board.wait(10)
    assert board.returncode in (0, -15)


def test_a_description_that_lies_is_found_out(cluster: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    document = described("speaker")
    answers = document["components"]["responses"]["Status"]["content"]["application/json"]["schema"]
    answers["required"].append("a field that nobody has")
    monkeypatch.setattr(sys.modules[__name__], "described", lambda *_, **__: document)
    with (
        cluster.speakers[0].namespace.entered(),
        pytest.raises(BaseExceptionGroup, match="a field that nobody"),
    ):
        hold("speaker", f"http://{HTTP}", 2)
