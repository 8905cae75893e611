"""Stand-in: moves here from `verdicts`."""

from roost.protocols.verdicts import Ground, decode, encode

__all__ = ["Ground", "decode", "encode"]
