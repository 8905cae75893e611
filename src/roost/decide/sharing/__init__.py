"""Addresses that many nodes answer, each its own askers."""
