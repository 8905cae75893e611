"""What nodes say to each other (stand-ins until the real ones land)."""
