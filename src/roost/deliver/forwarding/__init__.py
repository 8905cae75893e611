"""`deliver: forward`: balanced to backends by rules in the kernel, and their health looked at."""
