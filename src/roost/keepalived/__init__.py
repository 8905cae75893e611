"""Keepalived's configuration, read and written anew as Roost's.

What lives here: their syntax (comments, includes, conditions, definitions, sequences, blocks) and what each
keyword of theirs means in ours. What this package must not know: the running process, the command line.
Source: keepalived.conf(5).
"""

from roost.keepalived.conversion import Conversion, Wishes, convert
from roost.keepalived.files import FilesOnDisk
from roost.keepalived.places import Place, Remark, UnreadableError

__all__ = ["Conversion", "FilesOnDisk", "Place", "Remark", "UnreadableError", "Wishes", "convert"]
