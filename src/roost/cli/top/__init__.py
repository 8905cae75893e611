"""`roost top`: the cluster live, as people know it from k9s and btop."""

from roost.cli.top.command import command

__all__ = ["command"]
