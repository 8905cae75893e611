"""What witnesses tell each other."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["Kind", "Statement"]


class Kind(Enum):
    """What is said of the subject."""

    LOOK = "look"  # the sender misses an answer and asks the others to probe at once
    SEEN = "seen"  # the sender has an answer
    SILENT = "silent"  # the sender has had none for as long as it takes


@dataclass(frozen=True, slots=True)
class Statement:
    """One witness's word about `subject`."""

    kind: Kind
    sender: str
    subject: str
