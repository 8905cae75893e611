"""Addresses whose connections the leader spreads over many nodes."""
