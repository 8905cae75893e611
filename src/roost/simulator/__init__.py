"""A node's machines on virtual time, for tests and for figures: hundreds of nodes, any fault, one seed."""
