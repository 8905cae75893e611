"""Figures beside the peers: `python -m bench NAME`, each printing one JSON line per thing measured.

Absolute times on shared machines drift; compare figures of one run only. All traffic stays in
namespaces made here; all floods are bounded in time.
"""
