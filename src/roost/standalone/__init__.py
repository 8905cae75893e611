"""The configuration file as a source of desired state."""
