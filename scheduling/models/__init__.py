from scheduling.models.bookings import Booking, CallIn
from scheduling.models.decisions import Decision, Told
from scheduling.models.groups import Group, GroupMembership, WeeklyBlock
from scheduling.models.places import Closure, Room, SessionType, TimeOff
from scheduling.models.sessions import Session, SessionStaff
from scheduling.models.waitlist import WAITING, WaitlistEntry, WaitlistOffer, WaitlistStep

__all__ = [
    "WAITING",
    "Booking",
    "CallIn",
    "Closure",
    "Decision",
    "Group",
    "GroupMembership",
    "Room",
    "Session",
    "SessionStaff",
    "SessionType",
    "TimeOff",
    "Told",
    "WaitlistEntry",
    "WaitlistOffer",
    "WaitlistStep",
    "WeeklyBlock",
]
