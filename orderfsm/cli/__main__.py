"""`python -m orderfsm.cli`."""

import sys

from . import main

sys.exit(main())
