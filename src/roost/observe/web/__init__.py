"""The page: what browsers are told, live, and the files that they show it with."""
