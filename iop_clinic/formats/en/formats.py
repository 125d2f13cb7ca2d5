"""How pages print instants: with the zone, for a time without one says nothing."""

DATETIME_FORMAT = "D M j, Y, g:i A T"
TIME_FORMAT = "g:i A"
