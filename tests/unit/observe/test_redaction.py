"""Secrets go out of texts, however they are spelt, and ordinary words stay."""

import base64
import time

import pytest

from roost.observe.redaction import Redaction

KEY = bytes(range(200, 232))


@pytest.mark.parametrize(
    "spelling",
    [
        base64.b64encode(KEY).decode(),
        base64.b64encode(KEY).decode().rstrip("="),
        base64.urlsafe_b64encode(KEY).decode(),
        KEY.hex(),
        KEY.hex().upper(),
        KEY.hex(":"),
    ],
)
def test_a_known_key_goes_in_every_spelling(spelling: str) -> None:
    told = Redaction([KEY])(f"peer said {spelling} and left")
    assert spelling not in told
    assert told.startswith("peer said ")
    assert told.endswith(" and left")


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter2x",
        "password: correct hunter2x battery",
        'smtp_password: "hunter2x"',
        '  "token": "hunter2x",',
        "membership: {key: hunter2x, label: a}",
        "membership:\n  key:\n    - hunter2x\n    - hunter2x\nservices: []",
        "command: [check, --password, hunter2x]",
        'command: ["check", "--api-key", "hunter2x"]',
        "command:\n  - check\n  - --password\n  - hunter2x",
        "check --password=hunter2x --verbose",
        "GET https://admin:hunter2x@192.0.2.1/",
        "Authorization: Bearer hunter2x.hunter2x",
        "auth_pass hunter2x",
        "-----BEGIN PRIVATE KEY-----\nhunter2x\n-----END PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nhunter2x\n",
    ],
)
def test_what_looks_like_a_secret_goes(text: str) -> None:
    assert "hunter2x" not in Redaction([])(text)


@pytest.mark.parametrize(
    "text",
    [
        "wrong key: packets from 192.0.2.13 are not understood: no key opens the packet",
        "services:\n  - name: web\n    addresses: [192.0.2.200]\n",
        "keyFile: /etc/roost/gossip.key",
        '{"kind": "wrong key", "severity": "warning"}',
        "tcp dport 7946 accept",
        "keyboard: us",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redaction([KEY, "ab"])(text) == text


@pytest.mark.parametrize(
    "part",
    [
        "\n",
        "a",
        "a.b-",
        "- ",
        "-a",
        "key:\n",
        "key:\n - a\n",
        "x://",
        "a://b",
        "{",
        "password ",
        "--key ",
        "-----BEGIN A ",
    ],
)
def test_no_text_takes_longer_than_in_proportion(part: str) -> None:
    """Quadratic expressions took some minutes for these."""
    begin = time.thread_time()
    Redaction([KEY])(part * (200_000 // len(part)))
    assert time.thread_time() - begin < 3.0
