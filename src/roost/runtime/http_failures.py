"""What `httpcore` raises when no whole answer comes."""

from typing import Final

import httpcore

__all__ = ["HTTP_FAILURES"]

HTTP_FAILURES: Final = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ConnectionNotAvailable,
    OSError,
    TimeoutError,
)
