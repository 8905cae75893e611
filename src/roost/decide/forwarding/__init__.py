"""Which backends are usable, who gets which clients, and whether this node can serve at all. Pure."""
