"""What is looked at to know whether a node, or a backend, is well."""

from dataclasses import dataclass

__all__ = [
    "Check",
    "Command",
    "HttpQuestion",
    "Interface",
    "NumberFile",
    "Process",
    "Result",
    "Subject",
    "TcpPort",
]


@dataclass(frozen=True, slots=True)
class TcpPort:
    """It accepts connections; `host` is an address."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp {host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpQuestion:
    """A GET of `url`; the status has to be in one of the ranges `expect` (both ends belong to them).

    `ca_file` is who signs the server's certificate (PEM; "": whom this host trusts), `server_name` the name
    that it has to have ("": the URL's host). `host` is the Host header ("": the URL's). `body` is a regular
    expression to be found in the first 64 KiB of the body.
    """

    url: str
    expect: tuple[tuple[int, int], ...] = ((200, 399),)
    ca_file: str = ""
    server_name: str = ""
    host: str = ""
    body: str = ""

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Command:
    """It exits with 0."""

    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"command {' '.join(self.command)}"


@dataclass(frozen=True, slots=True)
class Process:
    """It runs: the one whose id is in `pid_file`, or any whose program is called `name`."""

    pid_file: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"process {self.pid_file or self.name}"


@dataclass(frozen=True, slots=True)
class Interface:
    """It is up and has carrier."""

    name: str

    def __str__(self) -> str:
        return f"interface {self.name}"


@dataclass(frozen=True, slots=True)
class NumberFile:
    """It holds a number, which is a weight."""

    path: str

    def __str__(self) -> str:
        return f"file {self.path}"


Subject = TcpPort | HttpQuestion | Command | Process | Interface | NumberFile


@dataclass(frozen=True, slots=True)
class Check:
    """One look again and again: every `interval`, for at most `timeout` (both seconds).

    It fails after `fall` failures in a row and is well after `rise` successes in a row. While it fails, the
    node is unfit, or with a `weight` its score is changed by that.
    """

    subject: Subject
    interval: float = 1.0
    timeout: float = 1.0
    rise: int = 1
    fall: int = 1
    weight: int | None = None

    def __str__(self) -> str:
        return str(self.subject)


@dataclass(frozen=True, slots=True)
class Result:
    """What one look has found: `why` is one clause for people, `output` what a program or server said.

    `weight` is the number in a file, None of everything else.
    """

    ok: bool
    why: str
    output: str = ""
    weight: int | None = None
