from scheduling.models.bookings import Booking, CallIn
from scheduling.models.groups import Group, GroupMembership, WaitlistEntry, WeeklyBlock
from scheduling.models.places import Closure, Room, SessionType, TimeOff
from scheduling.models.sessions import Session, SessionStaff

__all__ = [
    "Booking",
    "CallIn",
    "Closure",
    "Group",
    "GroupMembership",
    "Room",
    "Session",
    "SessionStaff",
    "SessionType",
    "TimeOff",
    "WaitlistEntry",
    "WeeklyBlock",
]
