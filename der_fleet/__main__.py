"""``python -m der_fleet``: what ``der fleet`` starts."""

import sys

from der_fleet.main import main

sys.exit(main())
