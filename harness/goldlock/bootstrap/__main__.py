"""`python -m goldlock.bootstrap`."""

import sys

from goldlock.bootstrap import main

sys.exit(main(sys.argv[1:]))
