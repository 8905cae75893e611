"""Looks at whether something is well. A function for each kind: it returns a `Result` and never raises."""
