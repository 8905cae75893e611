"""How this host takes the traffic of addresses: terminated here, passed on, counted when it is late."""
