"""Who is alive: verdicts with evidence, from SWIM over real sockets."""
