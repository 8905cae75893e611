"""The certificate that metrics are served with: one of our own, or files that somebody else renews."""

import asyncio
import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from roost.kubernetes.certificates import Bundle

__all__ = ["MetricsOptions", "ServingCertificate", "load"]

_log = logging.getLogger("roost.kubernetes")

_LOOK: Final = 60.0  # seconds between two looks at the files, or at our own certificate's age


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """Whether metrics take HTTPS and a token; tls.crt and tls.key are in `folder` (None: our own)."""

    secure: bool = False
    folder: Path | None = None
    tls12: bool = False  # whether TLS 1.2 does as well


class ServingCertificate:
    """Keeps `tls` supplied: from files (`options`), or with one of its own for `name`.

    Raises OSError (ssl.SSLError is one) when the files cannot be used at the start.
    """

    def __init__(self, name: str, options: MetricsOptions) -> None:
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2 if options.tls12 else ssl.TLSVersion.TLSv1_3
        self._name = name
        self._folder = options.folder
        self._own: Bundle | None = None
        self._stamp = (0, 0)
        self._supply()

    async def run(self) -> None:
        """Take renewed certificates until cancelled; while new ones cannot be used, the old ones stay."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                self._supply()
            except OSError as error:
                _log.warning("the certificate for metrics stays as it was: %s", error)

    def _supply(self) -> None:
        if self._folder is None:
            from roost.kubernetes import certificates  # noqa: PLC0415 - costs memory: only who makes one has it

            now = datetime.now(UTC)
            good = certificates.renewed(self._own, self._name, now) if self._own else None
            good = good or certificates.make(self._name, now)
            if good != self._own:
                load(self.tls, good)
                self._own = good
            return
        chain, key = self._folder / "tls.crt", self._folder / "tls.key"
        stamp = (chain.stat().st_mtime_ns, key.stat().st_mtime_ns)
        if stamp != self._stamp:
            self.tls.load_cert_chain(chain, key)
            self._stamp = stamp


def load(tls: ssl.SSLContext, bundle: "Bundle") -> None:
    """Let new connections use these certificates; ssl reads files only, so they are some, in memory."""
    with _file(bundle.tls_crt) as chain, _file(bundle.tls_key) as key:
        tls.load_cert_chain(f"/proc/self/fd/{chain}", f"/proc/self/fd/{key}")


@contextmanager
def _file(content: bytes) -> Iterator[int]:
    """Give the descriptor of a file that is on no disk."""
    descriptor = os.memfd_create("roost", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield descriptor
    finally:
        os.close(descriptor)
