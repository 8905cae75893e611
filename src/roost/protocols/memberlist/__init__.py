"""hashicorp/memberlist: codecs for its packets and streams, and its SWIM state machine, without I/O."""
