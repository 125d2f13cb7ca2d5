"""`make bench`: how fast a night is over many clinics."""

import sys

sys.exit("No benchmark yet.")
