"""Connections that outlive the move of their address: who holds some still, and where their packets go."""
