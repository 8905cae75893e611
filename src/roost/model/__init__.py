"""Pure data and decisions: addresses, services, nodes, eligibility, ranking.

What lives here: values and functions of values. What this package must not know: sockets, clocks,
event loops, files, Kubernetes.
"""
