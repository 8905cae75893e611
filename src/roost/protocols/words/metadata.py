"""Stand-in: moves here from `membership`."""

from roost.membership.metadata import Metadata, MetadataError, encode, parse

__all__ = ["Metadata", "MetadataError", "encode", "parse"]
