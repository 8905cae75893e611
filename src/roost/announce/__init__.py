"""Answering ARP and Neighbor Discovery for the addresses that this node leads."""
