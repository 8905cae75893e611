"""Whether an HTTP server gives the answer that is expected; each look opens a connection of its own."""

import asyncio
import re
import ssl
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpcore

from roost import __version__
from roost.model.address import is_address
from roost.model.check import HttpQuestion, Result
from roost.runtime.checks.tcp import reason
from roost.runtime.http_failures import HTTP_FAILURES
from roost.runtime.resolver import resolve

__all__ = ["HttpQuestion", "check_http"]

_BODY_READ: Final = 1 << 16  # bytes
_OUTPUT_KEPT: Final = 1024  # characters of a body
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class _NoAuthorityError(OSError):
    """A file of certificates cannot be used."""


async def check_http(question: HttpQuestion, timeout: float) -> Result:  # noqa: ASYNC109 - it is judged
    """Ask, and judge the answer; all of that within `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            return await _ask(question)
    except TimeoutError:
        return Result(ok=False, why=f"no whole answer within {timeout:g} s")
    except ssl.SSLCertVerificationError as error:
        return Result(ok=False, why=_certificate(error))
    except HTTP_FAILURES as error:
        return Result(ok=False, why=_failure(error))


async def _ask(question: HttpQuestion) -> Result:
    url = urlsplit(question.url)
    host = url.hostname or ""
    port = url.port or _DEFAULT_PORTS[url.scheme]
    address = host if is_address(host) else (await resolve(host, port))[0].host
    secure = url.scheme == "https"
    context = await _context(question.ca_file) if secure else None
    target = httpcore.URL(
        scheme=url.scheme.encode(), host=address.encode(), port=port, target=_target(url).encode()
    )
    extensions = {"sni_hostname": question.server_name or host} if secure else {}
    headers = (
        ("Host", question.host or url.netloc.rpartition("@")[2]),
        ("User-Agent", f"roost/{__version__}"),
        ("Accept", "*/*"),
        ("Connection", "close"),
    )
    async with (
        httpcore.AsyncConnectionPool(ssl_context=context, max_connections=1) as pool,
        pool.stream("GET", target, headers=headers, extensions=extensions) as response,
    ):
        return await _judge(question, response)


async def _judge(question: HttpQuestion, response: httpcore.Response) -> Result:
    status = response.status
    data = b""
    async for chunk in response.aiter_stream():
        data += chunk
        if len(data) >= _BODY_READ:
            break
    text = data[:_BODY_READ].decode(errors="replace")
    output = text[:_OUTPUT_KEPT].strip()
    if not any(low <= status <= high for low, high in question.expect):
        return Result(ok=False, why=f"status {status}, not {_ranges(question.expect)}", output=output)
    if question.body and not re.search(question.body, text):
        return Result(ok=False, why=f"nothing in the body matches {question.body!r}", output=output)
    return Result(ok=True, why=f"status {status}", output=output)


async def _context(ca_file: str) -> ssl.SSLContext:
    """Return what verifies certificates; a changed file is read anew. Raises OSError."""
    if not ca_file:
        return await asyncio.to_thread(_load, "", 0, 0)
    found = Path(ca_file).stat()
    return await asyncio.to_thread(_load, ca_file, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=64)
def _load(ca_file: str, changed: int, size: int) -> ssl.SSLContext:  # noqa: ARG001 - they tell files apart
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError:
        raise _NoAuthorityError(f"{ca_file} holds no certificates (PEM)") from None


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    text = error.verify_message
    if "mismatch" in text or "not valid for" in text:
        return f"{text.rstrip('.')}: name one that it has in serverName"
    return f"its certificate is not trusted: {text}"


def _failure(error: Exception) -> str:
    """Return the reason in words; httpcore hides the system's own below its exceptions."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(error, _NoAuthorityError):
        if isinstance(inner, ssl.SSLCertVerificationError):
            return _certificate(inner)
        if isinstance(inner, ssl.SSLError):
            return f"no TLS: {inner.reason or inner}"
        if isinstance(inner, OSError) and inner.errno:
            return reason(inner)
        inner = inner.__cause__ or inner.__context__
    return reason(error)


def _target(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _ranges(expect: Iterable[tuple[int, int]]) -> str:
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in expect)
