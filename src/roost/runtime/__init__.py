"""The only I/O below the commands: event loop adapters, sockets, netlink, files of the kernel."""
