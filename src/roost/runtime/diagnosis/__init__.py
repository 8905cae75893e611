"""Gathers facts of a host, its LAN and its peers for `roost.model.diagnosis`; changes nothing anywhere."""
