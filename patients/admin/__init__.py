"""The admin pages of patients, episodes and what pays for them."""

from patients.admin import coverage, episodes, people

__all__ = ["coverage", "episodes", "people"]
