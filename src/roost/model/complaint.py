"""What hinders a service on this host, as one line for people."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Complaint"]


@dataclass(frozen=True, slots=True)
class Complaint:
    """A line about `service` ("" for all): with an error, it is not announced from here."""

    severity: Literal["error", "warning"]
    text: str
    service: str = ""

    def __str__(self) -> str:
        return self.text
