"""`python -m roost` is the same command as `roost`."""

from roost.cli import main

main()
