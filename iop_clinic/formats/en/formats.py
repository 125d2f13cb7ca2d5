"""How pages print instants: with the zone, for a time without one says nothing.

The first format of each kind is the one that boxes show. Dates and times are read as pages print
them, too: Nov 23, 2026 and 7:00 AM.
"""

DATE_FORMAT = "M j, Y"
DATETIME_FORMAT = "D M j, Y, g:i A T"
TIME_FORMAT = "g:i A"
DATE_INPUT_FORMATS = ["%m/%d/%Y", "%Y-%m-%d", "%m/%d/%y", "%b %d, %Y", "%B %d, %Y"]
TIME_INPUT_FORMATS = ["%I:%M %p", "%H:%M:%S", "%H:%M", "%I:%M%p", "%I %p"]
