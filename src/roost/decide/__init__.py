"""What one node does, given what it knows: one machine without I/O, run by the speaker and the simulator.

What lives here: decisions. What this package must not know: sockets, clocks, event loops, files.
"""
