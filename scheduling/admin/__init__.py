"""The admin pages of rooms, groups, sessions and seats, and what they add to an episode's page."""

from patients.admin.episodes import EpisodeAdmin
from patients.admin.verbs import IN_TREATMENT
from patients.models import Episode
from scheduling.admin import bookings, call_ins, groups, places, sessions, waitlist
from scheduling.admin.episodes import EPISODE_VERBS, episode_panels

__all__ = ["bookings", "call_ins", "groups", "places", "sessions", "waitlist"]

EpisodeAdmin.sought_by = {
    "callin": IN_TREATMENT,
    "groupmembership": IN_TREATMENT,
    "waitlistentry": (Episode.State.REFERRED, *IN_TREATMENT),
}
EpisodeAdmin.offer(*EPISODE_VERBS)
EpisodeAdmin.show(call_ins.call_in_panels)
EpisodeAdmin.show(episode_panels)
bookings.BookingAdmin.show(call_ins.booking_panels)
