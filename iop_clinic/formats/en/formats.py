"""How pages print instants: with the zone, for a time without one says nothing.

Times are read as they are printed, too: 7:00 AM.
"""

DATE_FORMAT = "M j, Y"
DATETIME_FORMAT = "D M j, Y, g:i A T"
TIME_FORMAT = "g:i A"
TIME_INPUT_FORMATS = ["%H:%M:%S", "%H:%M", "%I:%M %p", "%I:%M%p", "%I %p"]
