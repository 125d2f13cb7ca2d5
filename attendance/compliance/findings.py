"""What the clinic's rules find: evidence, a sentence, how loud, whose.

A finding is not a case yet: whether it opens one, changes one or is old news is decided against the
stored cases (casebook.py).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from attendance.compliance.courses import Course
from attendance.compliance.rules.severity import absence_severity
from attendance.compliance.settings import ClinicSettings, Rule
from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.roles import Role

PAPERS_AND_PLACES = frozenset(
    {
        AbsenceRule.Kind.NO_FIRST_SESSION,
        AbsenceRule.Kind.PLAN_DUE,
        AbsenceRule.Kind.VERIFICATION_DUE,
        AbsenceRule.Kind.AUTHORIZATION_ENDING,
        AbsenceRule.Kind.CERTIFICATION_DUE,
        AbsenceRule.Kind.LICENSE_ENDING,
        AbsenceRule.Kind.CASELOAD,
        AbsenceRule.Kind.GROUP_TOO_SMALL,
        AbsenceRule.Kind.UNDER_SCHEDULED,
        AbsenceRule.Kind.AGE_BRACKET,
    }
)
"""Rules that a night judges for whole clinics, and a correction of some episodes does not."""

RECENT_DAYS = 7
"""A roster may come a week late and still owe the patient a call; older days open nothing new."""


class CaseKey(NamedTuple):
    """What makes two cases the same one (invariant 6)."""

    rule: int
    subject_type: int
    subject_id: int
    evidence_key: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule's finding, in the words of a case.

    `fresh` says whether it may open a case that was never there, `current` whether it still holds
    today: a window that slid past is neither.
    """

    key: CaseKey
    evidence: dict[str, Any]
    sentence: str
    severity: int
    rule: Rule
    clinic_id: int
    owner_id: int | None = None
    priority: bool = False
    fresh: bool = True
    current: bool = True
    due_on: date | None = None
    """The day a paper itself is due, where that is later than the rule's own due time."""

    @property
    def owner_role(self) -> str:
        """A therapist's case without a therapist who signs in is the coordinators'."""
        nobody = self.rule.owner_role == Role.THERAPIST and self.owner_id is None
        return Role.COORDINATOR.value if nobody else self.rule.owner_role


@dataclass(slots=True)
class Findings:
    """Everything found, and why the cases that are no longer found have gone."""

    by_key: dict[CaseKey, Finding] = field(default_factory=dict)
    gone: dict[CaseKey, str] = field(default_factory=dict)

    def add(self, found: Iterable[Finding]) -> None:
        for one in found:
            self.by_key[one.key] = one

    def take(self, other: Findings) -> None:
        self.by_key |= other.by_key
        self.gone |= other.gone


@dataclass(frozen=True, slots=True)
class Night:
    """The local date that is judged, in a clinic, with the cases that stand open and those that a
    person has settled."""

    settings: ClinicSettings
    through: date
    now: datetime
    open_keys: Container[CaseKey] = frozenset()
    settled_keys: Container[CaseKey] = frozenset()

    @property
    def today(self) -> date:
        return self.through + timedelta(days=1)

    def is_recent(self, day: date) -> bool:
        return day > self.through - timedelta(days=RECENT_DAYS)

    def is_watched(self, week_end: date) -> bool:
        """Whether a week ended recently, or since the clinic is judged: one found short late needs
        its reason all the same (R7), one that was imported does not."""
        since = self.settings.judged_since
        first = min(since - timedelta(days=1), self.through) if since else self.through
        return week_end > first - timedelta(days=RECENT_DAYS)


def episode_key(course: Course, rule: int, evidence: str) -> CaseKey:
    return CaseKey(rule, Flag.Subject.EPISODE, course.episode_id, evidence)


Nights = Mapping[int, Night]
"""The same local date in several clinics, by clinic id."""


def of_course(
    night: Night, rule: Rule, course: Course, *, evidence_key: str, **rest: Any
) -> Finding:
    """A finding about a patient: one tier up and due sooner for a priority patient (R18).

    The evidence says so, and so a later night sees who has become one.
    """
    priority = course.is_priority_on(night.today)
    told = {
        "key": episode_key(course, rule.kind, evidence_key),
        "severity": absence_severity(rule.severity, priority=priority),
        "rule": rule,
        "clinic_id": course.clinic_id,
        "owner_id": owner_of(rule, course),
        "priority": priority,
        **rest,
    }
    if told["priority"]:
        told["evidence"] = {**told["evidence"], "priority": True}
    return Finding(**told)


def owner_of(rule: Rule, course: Course) -> int | None:
    """The primary therapist where the rule names the therapist; otherwise nobody in person."""
    return course.therapist_user_id if rule.owner_role == Role.THERAPIST else None


def short_dates(days: Sequence[date]) -> str:
    """ "Mar 3, Mar 5": the last eight at most."""
    return ", ".join(f"{day:%b} {day.day}" for day in days[-8:])
