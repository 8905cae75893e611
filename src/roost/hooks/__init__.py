"""Programs that are called when a service has another role on this node.

What lives here: calling them, in order. What this package must not know: why a role changes.
"""
