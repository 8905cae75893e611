"""Wire formats and protocol machines without I/O: bytes and time in, effects out.

What lives here: codecs (Ethernet, ARP, IPv6 Neighbor Discovery, memberlist) and state machines.
What this package must not know: sockets, clocks, event loops, global randomness. Parsers are given
hostile bytes and raise nothing but their own error type.
"""
