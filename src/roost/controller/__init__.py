"""The cluster's process: gives addresses to Services, checks configuration, writes status."""
