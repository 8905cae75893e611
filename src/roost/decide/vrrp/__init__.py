"""VRRP decides who leads: the virtual routers of this node, and what follows from their states."""
