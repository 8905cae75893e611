"""The only I/O below the commands: event loop adapters, sockets, netlink, files of the kernel."""

from roost.runtime.parts import enter_quietly

enter_quietly("pyroute2")  # its file imports all of it, an SQL database among that: 6 MB of each speaker
