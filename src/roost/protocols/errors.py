"""The one error that parsers of outside bytes may raise."""

__all__ = ["PacketError"]


class PacketError(ValueError):
    """Bytes from outside do not follow their format; the sender is to blame and the packet is dropped."""
