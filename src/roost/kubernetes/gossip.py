"""Gossip as MetalLB's manifests set it up: its key, and the peers to join."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

from roost.kubernetes.resources import KubeNode, KubePod
from roost.protocols.machine import Endpoint

__all__ = ["SecretError", "derive_key", "peers", "read_secret"]

_KEY_SIZE: Final = 32  # bytes: AES-256
_FILE: Final = "secretkey"
_MOST: Final = 4096  # bytes of a secret


class SecretError(Exception):
    """The gossip secret cannot be read; the text says where it was looked for."""


def derive_key(secret: bytes) -> bytes:
    """Return the key that MetalLB's speakers encrypt gossip with.

    It is the secret followed by SHA-256 of nothing, cut to 32 bytes: a slip in MetalLB that the wire keeps.
    """
    return (secret + sha256(b"").digest())[:_KEY_SIZE]


def read_secret(folder: Path) -> bytes:
    """Return the secret in the mounted Secret at `folder`. Raises SecretError."""
    path = folder / _FILE
    try:
        with path.open("rb") as file:
            secret = file.read(_MOST)
    except OSError as error:
        raise SecretError(f"the gossip secret {path} cannot be read: {error.strerror or error}") from error
    if not secret:
        raise SecretError(f"the gossip secret {path} is empty")
    return secret


def peers(me: str, pods: Iterable[KubePod], nodes: Iterable[KubeNode], port: int) -> tuple[Endpoint, ...]:
    """Return whom to join: the other speakers' pods; where there are none, the other nodes."""
    hosts = sorted({pod.ip for pod in pods if pod.ip and pod.node != me})
    if not hosts:
        hosts = sorted({address for node in nodes if node.name != me for address in node.addresses})
    return tuple(Endpoint(host, port) for host in hosts)
