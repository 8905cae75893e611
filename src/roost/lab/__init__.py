"""`roost lab`: real speakers and clients in network namespaces on this machine."""
