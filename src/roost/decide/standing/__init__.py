"""Why this node would rather not lead, by its own word."""
