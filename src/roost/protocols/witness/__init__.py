"""The kernel as witness: peers probe a node's own address, which its kernel answers, and agree on silence."""
