"""Everything that knows Kubernetes: the API's client, resources as typed values, MetalLB's configuration.

What lives here: reading and writing the API. What this package must not know: packets, sockets of the LAN,
who leads what.
"""
