"""The admin pages of cases, rules and reports, and what they add to episodes and sessions."""

from attendance.admin import cases, reports, rules
from attendance.admin.bookings import BOOKING_VERBS, booking_panels
from attendance.admin.episodes import EPISODE_VERBS, episode_panels
from attendance.admin.sessions import SESSION_VERBS, session_panels
from attendance.closures import close
from patients.admin.episodes import EpisodeAdmin
from scheduling.admin.bookings import BookingAdmin
from scheduling.admin.places import ClosureAdmin
from scheduling.admin.sessions import SessionAdmin

__all__ = ["cases", "reports", "rules"]

EpisodeAdmin.offer(*EPISODE_VERBS)
EpisodeAdmin.show(episode_panels)
SessionAdmin.offer(*SESSION_VERBS)
SessionAdmin.show(session_panels)
BookingAdmin.related = (*BookingAdmin.related, "attendance")
BookingAdmin.offer(*BOOKING_VERBS)
BookingAdmin.show(booking_panels)
ClosureAdmin.close = staticmethod(close)
