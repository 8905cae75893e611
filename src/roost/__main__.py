"""`python -m roost` is the same command as `roost`."""

from roost.entry import main

main()
