"""The admin pages of rooms, groups, sessions and seats, and what they add to an episode's page."""

from patients.admin.episodes import EpisodeAdmin
from scheduling.admin import bookings, groups, places, sessions
from scheduling.admin.episodes import EPISODE_VERBS, episode_panels

__all__ = ["bookings", "groups", "places", "sessions"]

EpisodeAdmin.offer(*EPISODE_VERBS)
EpisodeAdmin.show(episode_panels)
