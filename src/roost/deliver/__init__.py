"""How this host takes the traffic of addresses: terminated here, passed on by a proxy, counted when it is late."""
