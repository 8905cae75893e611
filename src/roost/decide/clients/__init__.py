"""Who uses the addresses, and what each of them has to be told when they move."""
