"""The node process: composition of source, membership, election and announcing."""
