"""The stored cases against what the rules find: which open, change, close, reopen or lapse.

One insert and one update for everything together, and only of rows that change: a second run over
the same facts writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import Q

from attendance.compliance.courses import Course
from attendance.compliance.due import due_at, due_by, priority_due_at
from attendance.compliance.findings import PAPERS_AND_PLACES, CaseKey, Finding, Findings
from attendance.compliance.rules.snoozing import deadline_in
from attendance.compliance.settings import WEEKLY_RULES, ClinicSettings
from attendance.models import AbsenceRule, Flag
from attendance.querysets import SETTLED
from patients.models import Episode

MATERIAL = ("stage", "days", "missing")
"""What in the evidence makes a case worth mailing again; other numbers move every day."""

ONGOING_RULES = (
    AbsenceRule.Kind.CONSECUTIVE,
    AbsenceRule.Kind.COUNT_IN_DAYS,
    AbsenceRule.Kind.MISSED_OF_LAST,
    AbsenceRule.Kind.PERCENT_IN_DAYS,
    AbsenceRule.Kind.TARDIES,
    AbsenceRule.Kind.EXCUSED_DAYS,
    AbsenceRule.Kind.SILENT_DAYS,
)
"""Rules whose evidence can go on for ever: a run or a silence until the patient comes, a window
until its count has been below the limit."""

_CHANGED = (
    *("state", "evidence", "sentence", "severity", "due_at", "snoozed_until", "closed_at"),
    *("outcome", "outcome_note", "closed_by_facts", "changed_at", "version"),
    *("owner_role", "owner", "escalated_at", "reopened_at"),
)


def key_of(flag: Flag) -> CaseKey:
    return CaseKey(flag.rule, flag.subject_type, flag.subject_id, flag.evidence_key)


@dataclass(frozen=True, slots=True)
class Rosters:
    """The sessions that a night looks at: those from a date on, and some older ones."""

    first: date
    also: Collection[int] = ()


def stored_cases(
    clinics: Collection[int], since: Mapping[int, date], rosters: Rosters | None
) -> dict[int, dict[CaseKey, Flag]]:
    """The cases of episodes, by clinic: the open ones, those opened for a date from `since` on (by
    episode), and every run, window and silence; with `rosters` those of the sessions too.

    Those go on, however long ago they were reached and settled. Locked in order of key, or a
    person's outcome could be overwritten between reading and writing; 1 statement.
    """
    rows = Flag.objects.filter(_of_episodes(since) | _of_sessions(rosters), clinic__in=clinics)
    rows = rows.exclude(rule__in=PAPERS_AND_PLACES)  # judged by themselves
    found: dict[int, dict[CaseKey, Flag]] = {clinic_id: {} for clinic_id in clinics}
    for flag in rows.order_by("pk").select_for_update(of=("self",), no_key=True):
        found[flag.clinic_id][key_of(flag)] = flag
    return found


_HALF_WEEK = timedelta(days=3)
_OPEN = ~Q(state__in=SETTLED)
_NONE = Q(pk__in=[])


def _of_episodes(since: Mapping[int, date]) -> Q:
    episodes: defaultdict[date, list[int]] = defaultdict(list)
    for episode_id, first in since.items():
        episodes[first].append(episode_id)
    wanted = _NONE
    for first, ids in episodes.items():
        told = _OPEN | Q(opened_for__gte=first) | Q(rule__in=ONGOING_RULES)
        wanted |= told & Q(episode__in=ids)
    return wanted


def _of_sessions(rosters: Rosters | None) -> Q:
    if rosters is None:
        return _NONE
    looked_at = Q(opened_for__gte=rosters.first) | Q(session__in=rosters.also)
    return (_OPEN | looked_at) & Q(subject_type=Flag.Subject.SESSION)


@dataclass(slots=True)
class Changes:
    opened: list[Flag] = field(default_factory=list)
    updated: list[Flag] = field(default_factory=list)
    closed: list[Flag] = field(default_factory=list)
    reopened: list[Flag] = field(default_factory=list)
    lapsed: list[Flag] = field(default_factory=list)

    def take(self, other: Changes) -> None:
        for name in ("opened", "updated", "closed", "reopened", "lapsed"):
            getattr(self, name).extend(getattr(other, name))

    def write(self) -> None:
        """At most two statements."""
        if self.opened:
            Flag.objects.bulk_create(self.opened, batch_size=None)
        changed = [*self.updated, *self.closed, *self.reopened, *self.lapsed]
        if changed:
            Flag.objects.bulk_create(
                changed, update_conflicts=True, unique_fields=["pk"], update_fields=_CHANGED
            )


@dataclass(frozen=True, slots=True)
class Judge:
    """One evaluation's verdict on every case of the episodes and sessions it looked at."""

    settings: ClinicSettings
    courses: Mapping[int, Course]
    through: date
    today: date
    now: datetime
    weeks_from: Mapping[int, date]
    """The first week looked at, by episode: cases of weeks before it are left alone."""

    def compare(self, stored: Mapping[CaseKey, Flag], findings: Findings) -> Changes:
        changes = Changes()
        for key, flag in stored.items():
            if flag.opened_for > self.through:
                continue  # a later night's: an older one, judged again, knows less than it
            if flag.is_open:
                self._standing(flag, findings.by_key.get(key), findings.gone.get(key, ""), changes)
            else:
                self._settled(flag, findings.by_key.get(key), changes)
        changes.opened = [
            self._new(finding)
            for key, finding in findings.by_key.items()
            if key not in stored and finding.fresh and not self._silent(key)
        ]
        return changes

    # Cases that stand open

    def _standing(self, flag: Flag, finding: Finding | None, gone: str, changes: Changes) -> None:
        course = self.courses.get(flag.episode_id or 0)
        if course and (course.deceased or course.state == Episode.State.DISCHARGED):
            note = "The patient died." if course.deceased else "The patient was discharged."
            changes.closed.append(self._close(flag, note, Flag.Outcome.DISCHARGED))
        elif finding is None:
            if self._looked_at(flag):
                outcome = self._outcome_of(flag)
                changes.closed.append(self._close(flag, gone or _RULE_GONE[flag.rule], outcome))
        elif not finding.current:
            changes.lapsed.append(self._lapse(flag))
        elif self._update(flag, finding):
            changes.updated.append(flag)

    def _looked_at(self, flag: Flag) -> bool:
        if flag.rule in WEEKLY_RULES:
            first = self.weeks_from.get(flag.subject_id, date.max)
            # A standard's own week goes with the clinic's week that shares most days with it.
            return date.fromisoformat(flag.evidence_key[:10]) + _HALF_WEEK >= first
        of_the_clinic = flag.rule in PAPERS_AND_PLACES or flag.episode_id is None
        return of_the_clinic or flag.episode_id in self.courses

    def _outcome_of(self, flag: Flag) -> Flag.Outcome:
        recorded = flag.rule == AbsenceRule.Kind.UNRECORDED
        return Flag.Outcome.RECORDED if recorded else Flag.Outcome.FACTS

    def _close(self, flag: Flag, note: str, outcome: Flag.Outcome) -> Flag:
        flag.state, flag.outcome, flag.outcome_note = Flag.State.CLOSED, outcome, note[:300]
        flag.closed_by_facts, flag.closed_at = True, self.now
        return self._touched(flag)

    def _lapse(self, flag: Flag) -> Flag:
        flag.state, flag.closed_at = Flag.State.LAPSED, self.now
        flag.outcome_note = "The window slid past before anybody closed it."
        return self._touched(flag)

    def _update(self, flag: Flag, finding: Finding) -> bool:
        due = self._due_anew(flag, finding)
        woken = flag.state == Flag.State.SNOOZED and self._wakes(flag, due)
        told = (finding.evidence, finding.sentence, finding.severity, due)
        if not woken and told == (flag.evidence, flag.sentence, flag.severity, flag.due_at):
            return False
        if woken or due != flag.due_at or _is_material(flag, finding):
            flag.changed_at = self.now
        if woken:
            flag.state, flag.snoozed_until = Flag.State.OPEN, None
        flag.evidence, flag.sentence, flag.severity, flag.due_at = told
        flag.version += 1
        return True

    def _wakes(self, flag: Flag, due: datetime) -> bool:
        """On its day, or at once where the case is due before it by what has changed."""
        until = flag.snoozed_until or self.today
        sooner = due < flag.due_at and due.astimezone(self.settings.zone).date() < until
        return until <= self.today or sooner

    def _due_anew(self, flag: Flag, finding: Finding) -> datetime:
        """When a standing case is due by what is known now.

        A paper whose date has moved moves it; a patient who has become a priority makes it sooner.
        What was already late stays so, and nothing just learnt is late at once. Otherwise it stays
        as it was: a person may have put it off.
        """
        before = deadline_in(flag.evidence)
        if finding.due_on and before and finding.due_on > before:
            return max(flag.due_at, self._due(finding))
        moved = finding.due_on and before and finding.due_on < before
        if moved or _is_priority_now(flag, finding):
            return min(flag.due_at, self._due(finding))
        return flag.due_at

    # Cases that were settled

    def _settled(self, flag: Flag, finding: Finding | None, changes: Changes) -> None:
        """The facts came back: the same row opens again. One that a person closed does so only
        where the facts are others: a week's shortfall that has grown since (R7)."""
        if finding is None or not finding.current or self._silent(finding.key):
            return
        by_itself = flag.closed_by_facts or flag.state == Flag.State.LAPSED
        if not by_itself and not _has_grown(flag, finding):
            return
        flag.state, flag.outcome, flag.outcome_note = Flag.State.OPEN, "", ""
        flag.closed_by_facts, flag.closed_at, flag.snoozed_until = False, None, None
        flag.evidence, flag.sentence = finding.evidence, finding.sentence
        flag.severity, flag.due_at = finding.severity, self._due(finding)
        # A new start: whoever had it, and the role it had gone to, belong to the time before.
        flag.owner_role, flag.owner_id = finding.owner_role, finding.owner_id
        flag.escalated_at, flag.reopened_at = None, self.now
        changes.reopened.append(self._touched(flag))

    # New cases

    def _new(self, finding: Finding) -> Flag:
        subject = finding.key.subject_id
        return Flag(
            clinic_id=finding.clinic_id,
            **finding.key._asdict(),
            **{_SUBJECT_FIELD[finding.key.subject_type]: subject},
            evidence=finding.evidence,
            sentence=finding.sentence,
            severity=finding.severity,
            owner_role=finding.owner_role,
            owner_id=finding.owner_id,
            opened_at=self.now,
            opened_for=self.through,
            due_at=self._due(finding),
            changed_at=self.now,
        )

    def _silent(self, key: CaseKey) -> bool:
        """A hold silences rules, a discharge ends them, a death stops everything."""
        if key.subject_type != Flag.Subject.EPISODE:
            return False
        course = self.courses.get(key.subject_id)
        if course is None:
            return False  # of papers and places: their finders look at nobody who is silent
        ended = course.deceased or course.state == Episode.State.DISCHARGED
        return ended or course.on_hold_on(self.through) or course.on_hold_on(self.today)

    def _due(self, finding: Finding) -> datetime:
        rule, hours = finding.rule, self.settings.hours
        if finding.due_on is not None:
            return due_by(self.now, hours, finding.due_on)
        if finding.priority and rule.due == AbsenceRule.Due.SAME_BUSINESS_DAY:
            return priority_due_at(self.now, hours)
        return due_at(self.now, hours, rule.due, rule.due_amount)

    def _touched(self, flag: Flag) -> Flag:
        flag.changed_at = self.now
        flag.version += 1
        return flag


_SUBJECT_FIELD: dict[int, str] = {
    Flag.Subject.EPISODE: "episode_id",
    Flag.Subject.SESSION: "session_id",
    Flag.Subject.GROUP: "group_id",
    Flag.Subject.THERAPIST: "therapist_id",
}

_RULE_GONE: dict[int, str] = {
    AbsenceRule.Kind.HOURS: "The week is no longer short.",
    AbsenceRule.Kind.NO_CALL_DAY: "The day is no longer a missed day without a call.",
    AbsenceRule.Kind.CONSECUTIVE: "The days are no longer consecutive unexcused days.",
    AbsenceRule.Kind.COUNT_IN_DAYS: "The days no longer reach the limit.",
    AbsenceRule.Kind.UNRECORDED: "The roster is recorded.",
    AbsenceRule.Kind.BELOW_PLAN: "The week is no longer below the plan.",
    AbsenceRule.Kind.OVER_MAXIMUM: "The week is no longer over the maximum.",
    AbsenceRule.Kind.TOO_FEW_DAYS: "The week has its days.",
    AbsenceRule.Kind.LEFT_SHORT: "No day of the week is left short any more.",
    AbsenceRule.Kind.MISSED_OF_LAST: "The days no longer reach the limit.",
    AbsenceRule.Kind.PERCENT_IN_DAYS: "The share of attended days is back over the limit.",
    AbsenceRule.Kind.TARDIES: "The late arrivals no longer reach the limit.",
    AbsenceRule.Kind.EXCUSED_DAYS: "The excused days no longer reach the limit.",
    AbsenceRule.Kind.SILENT_DAYS: "The patient was seen or heard from.",
    AbsenceRule.Kind.FIRST_DAYS: "The day is no longer a missed day.",
    AbsenceRule.Kind.NO_FIRST_SESSION: "The patient has a session.",
    AbsenceRule.Kind.PLAN_DUE: "The plan is in force.",
    AbsenceRule.Kind.VERIFICATION_DUE: "The insurance is verified.",
    AbsenceRule.Kind.AUTHORIZATION_ENDING: "The authorization is renewed or no longer needed.",
    AbsenceRule.Kind.CERTIFICATION_DUE: "The need is certified.",
    AbsenceRule.Kind.LICENSE_ENDING: "The license is renewed or no longer needed.",
    AbsenceRule.Kind.CASELOAD: "The caseload is within the limit.",
    AbsenceRule.Kind.GROUP_TOO_SMALL: "The group is viable again, or has ended.",
    AbsenceRule.Kind.UNDER_SCHEDULED: "The timetable can reach the minimum, or the week has begun.",
    AbsenceRule.Kind.AGE_BRACKET: "The plan and the age agree.",
}


def _is_material(flag: Flag, finding: Finding) -> bool:
    louder = finding.severity != flag.severity
    return louder or any(flag.evidence.get(k) != finding.evidence.get(k) for k in MATERIAL)


def _has_grown(flag: Flag, finding: Finding) -> bool:
    """Whether a week misses more minutes than when a person closed its case."""
    known, now = (told.get("make_up_minutes") for told in (flag.evidence, finding.evidence))
    return flag.rule == AbsenceRule.Kind.HOURS and known is not None and now > known


def _is_priority_now(flag: Flag, finding: Finding) -> bool:
    """Whether the patient has become a priority since the case was told."""
    return finding.priority and not flag.evidence.get("priority")


def sessions_of(flags: Iterable[Flag]) -> list[int]:
    """The sessions that open cases wait for."""
    return [flag.session_id for flag in flags if flag.is_open and flag.session_id is not None]
