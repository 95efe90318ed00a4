"""`python -m goldlock`."""

from goldlock.cli import main

main()
