"""What hinders a service on this host, as one line for people."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Complaint"]


@dataclass(frozen=True, slots=True)
class Complaint:
    """A line about `service` ("" for all): with an error, it is not announced from here.

    Those of one `cause` are one thing to people, however many services it hinders.
    """

    severity: Literal["error", "warning"]
    text: str
    service: str = ""
    cause: str = ""

    def __str__(self) -> str:
        return self.text
