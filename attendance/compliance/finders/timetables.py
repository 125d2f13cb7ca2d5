"""Next week's timetable: who cannot reach the minimum even with every session attended (R9).

A schedule problem, never held against the patient. Patients who are short because their one group
is short are the group's case: one problem, one case.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import F, FilteredRelation, Q

from attendance.compliance.courses import Course, courses
from attendance.compliance.days import BreakMinutes, DayLine, length
from attendance.compliance.finders.treatment import Ruled, in_treatment, on, ruled
from attendance.compliance.findings import CaseKey, Finding, Night, Nights, of_course
from attendance.compliance.settings import ClinicSettings, Rule
from attendance.compliance.status import JudgedStandard, judge_weeks, reach
from attendance.models import AbsenceRule, Flag
from attendance.records.rules import CreditKind
from iop_clinic.accounts.weeks import Week, hours_and_minutes
from patients.models import Episode
from scheduling.models import Booking, Session

SHARED_BY = 3
"""So many patients of one group, short by its timetable, are one case of the group."""
_DAY = timedelta(days=1)
_EASTERNMOST, _WESTERNMOST = timedelta(hours=14), timedelta(hours=12)
"""How far any zone's midnight lies before and after that of UTC."""


@dataclass(frozen=True, slots=True)
class Short:
    """A patient whose booked week cannot reach a standard's minimum or days."""

    course: Course
    week: Week
    judged: JudgedStandard

    @property
    def group_id(self) -> int | None:
        """The one group the patient sits in that week, if it is one."""
        week = self.week
        seats = {s.group_id for s in self.course.seats if s.span.meets(week.start, week.end)}
        return next(iter(seats)) if len(seats) == 1 else None


def timetable_findings(nights: Nights) -> Iterator[Finding]:
    """Patients and groups whose next clinic week, once expanded, cannot reach the minimum.

    What the clinic cancels or closes comes off the program's minimum and not off a payer's, and
    notices of absence take nothing away: only what is planned is judged. Two statements as long as
    nobody is short, else three.
    """
    with_rule = ruled(nights, AbsenceRule.Kind.UNDER_SCHEDULED)
    if with_rule:
        for clinic_id, short in _short(with_rule).items():
            night, rule = with_rule[clinic_id]
            yield from _findings(night, rule, short)


def _findings(night: Night, rule: Rule, short: list[Short]) -> Iterator[Finding]:
    of_group: defaultdict[int | None, list[Short]] = defaultdict(list)
    for one in short:
        of_group[one.group_id].append(one)
    for group_id, members in of_group.items():
        if group_id is not None and len(members) >= SHARED_BY:
            yield _of_group(rule, group_id, members)
        else:
            yield from (_of_patient(night, rule, one) for one in members)


def _of_patient(night: Night, rule: Rule, one: Short) -> Finding:
    return of_course(
        night,
        rule,
        one.course,
        evidence_key=one.week.start.isoformat(),
        evidence=_evidence(one),
        sentence=f"{_capacity(one)}. The schedule is short, not the patient.",
        severity=rule.severity,
        priority=False,
    )


def _of_group(rule: Rule, group_id: int, members: list[Short]) -> Finding:
    best = max(members, key=lambda one: one.judged.judgement.at_most)
    return Finding(
        key=CaseKey(rule.kind, Flag.Subject.GROUP, group_id, best.week.start.isoformat()),
        evidence={**_evidence(best), "patients": len(members)},
        sentence=f"{_capacity(best)} at most, for {len(members)} patients of the group. The "
        "schedule is short, not the patients.",
        severity=rule.severity,
        rule=rule,
        clinic_id=best.course.clinic_id,
    )


def _capacity(one: Short) -> str:
    week = one.judged.judgement
    parts = [f"{hours_and_minutes(week.at_most)} of {hours_and_minutes(week.prorated_minimum)}"]
    if week.projected_days_short:
        parts.append(f"{week.days_at_most} of {week.prorated_days} days")
    whose = "" if one.judged.source == "program" else f", {one.judged.source} standard"
    return f"Week of {one.judged.week.label}{whose}: the timetable gives {', '.join(parts)}"


def _evidence(one: Short) -> dict[str, Any]:
    week = one.judged.judgement
    return {
        "week": one.week.start.isoformat(),
        "source": one.judged.source,
        "at_most": week.at_most,
        "minimum": week.prorated_minimum,
        "days_at_most": week.days_at_most,
        "days_asked": week.prorated_days,
    }


# Who is short


class Slot(NamedTuple):
    """One session of the week; `length` is in minutes, without breaks."""

    clinic_id: int
    local_date: date
    session_type_id: int
    creditable: bool
    live: bool
    length: int


class Planned(NamedTuple):
    """A patient with a plan, and the sessions the week holds for them."""

    episode_id: int
    clinic_id: int
    level: int
    age_bracket: int
    sessions: tuple[int, ...]


def _short(nights: Ruled) -> dict[int, list[Short]]:
    weeks = {pk: night.settings.week(night.today).shifted(1) for pk, (night, _) in nights.items()}
    first, last = _dates(nights, weeks)
    slots = _slots(nights, first, last)
    expanded = _expanded(weeks, slots)
    planned = _planned(nights, {pk: weeks[pk] for pk in expanded}, first, last)
    lines = {
        one.episode_id: [_line(nights, one.episode_id, slots[pk]) for pk in one.sessions]
        for one in _suspects(nights, weeks, slots, planned)
    }
    found: defaultdict[int, list[Short]] = defaultdict(list)
    if not lines:
        return found
    for course in courses(Episode.objects.filter(pk__in=lines)):
        night, week = nights[course.clinic_id][0], weeks[course.clinic_id]
        for judged in judge_weeks(night.settings, [course], [week], lines, night.now):
            worst = max(filter(_cannot, judged.standards), key=_missing, default=None)
            if worst is not None:
                found[course.clinic_id].append(Short(course, week, worst))
    return found


def _cannot(judged: JudgedStandard) -> bool:
    return judged.judgement.projected_short or judged.judgement.projected_days_short


def _missing(judged: JudgedStandard) -> tuple[int, int]:
    week = judged.judgement
    return week.make_up_minutes, week.prorated_days - week.days_at_most


def _suspects(
    nights: Ruled, weeks: Weeks, slots: Mapping[int, Slot], planned: Iterable[Planned]
) -> Iterator[Planned]:
    """Who needs a closer look; most patients share their week with the others of their group."""
    seen: dict[Planned, bool] = {}
    for one in planned:
        sessions = tuple(sorted(pk for pk in one.sessions if pk in slots))
        alike = one._replace(episode_id=0, sessions=sessions)
        if alike not in seen:
            settings, week = nights[one.clinic_id][0].settings, weeks[one.clinic_id]
            seen[alike] = _may_be_short(settings, week, alike, [slots[pk] for pk in sessions])
        if seen[alike]:
            yield one._replace(sessions=sessions)


def _may_be_short(
    settings: ClinicSettings, week: Week, one: Planned, slots: Iterable[Slot]
) -> bool:
    """Fewer minutes or full days than any standard of the plan's level asks for, before anything is
    taken off: whoever has more cannot be short."""
    minutes: Counter[date] = Counter()
    for slot in slots:
        if slot.live and slot.local_date in week:
            minutes[slot.local_date] += _credited(settings, slot)
    asked = (
        standard.terms
        for standard in settings.standards
        if (standard.level, standard.age_bracket) == (one.level, one.age_bracket)
    )
    return any(
        sum(minutes.values()) < terms.minimum
        or sum(day >= terms.qualifying_minutes for day in minutes.values()) < terms.days
        for terms in asked
    )


# What is planned


Weeks = Mapping[int, Week]
"""By clinic id, the clinic week that comes."""


def _dates(nights: Ruled, weeks: Weeks) -> tuple[date, date]:
    """The local dates of the weeks, and of the payers' own weeks beside them."""
    reached = [reach(nights[pk][0].settings, [week]) for pk, week in weeks.items()]
    return min(first for first, _ in reached), max(last for _, last in reached)


def _slots(nights: Ruled, first: date, last: date) -> dict[int, Slot]:
    rows = Session.objects.filter(clinic__in=nights, local_date__range=(first, last))
    shown = rows.annotate(length=length() - BreakMinutes(F("breaks"))).values_list(
        "pk", "clinic", "local_date", "session_type", "session_type__creditable", "live", "length"
    )
    return {pk: Slot(*slot) for pk, *slot in shown}


def _expanded(weeks: Weeks, slots: Mapping[int, Slot]) -> list[int]:
    """Clinics that have a session in their week: before expansion nobody has any."""
    return sorted({s.clinic_id for s in slots.values() if s.local_date in weeks[s.clinic_id]})


def _planned(nights: Ruled, weeks: Weeks, first: date, last: date) -> Iterator[Planned]:
    """Patients with a plan and what they are booked for, notices of absence or not."""
    booked = Q(
        bookings__clinic__in=weeks,
        bookings__starts_at__gte=datetime.combine(first, time.min, tzinfo=UTC) - _EASTERNMOST,
        bookings__starts_at__lt=datetime.combine(last + _DAY, time.min, tzinfo=UTC) + _WESTERNMOST,
        bookings__state__in=(Booking.State.BOOKED, Booking.State.RELEASED),
        bookings__nested_in__isnull=True,
    )
    rows = (
        in_treatment(nights)
        .filter(_with_plan(weeks), clinic__in=weeks)
        .annotate(coming=FilteredRelation("bookings", condition=booked))
        .values_list("pk", "clinic", "plans__level", "plans__age_bracket")
        .annotate(sessions=ArrayAgg("coming__session", filter=Q(coming__isnull=False)))
        .order_by("pk")
    )
    for episode, clinic, level, bracket, sessions in rows if weeks else ():
        yield Planned(episode, clinic, level, bracket, tuple(sessions or ()))


def _with_plan(weeks: Weeks) -> Q:
    """A plan in force on the last day of the clinic's own week."""
    clinics: defaultdict[date, list[int]] = defaultdict(list)
    for pk, week in weeks.items():
        clinics[week.end].append(pk)
    planned = Q(pk__in=[])
    for end, ids in clinics.items():
        planned |= on(end, "plans__") & Q(plans__clinic__in=ids)
    return planned


def _line(nights: Ruled, episode_id: int, slot: Slot) -> DayLine:
    """A day line in which everything planned is still to come."""
    counts = slot.length if slot.creditable else 0
    return DayLine(
        episode_id=episode_id,
        local_date=slot.local_date,
        session_type_id=slot.session_type_id,
        scheduled=counts if slot.live else 0,
        attended_open=slot.length if slot.live else 0,
        credited_open=_credited(nights[slot.clinic_id][0].settings, slot) if slot.live else 0,
        cancelled=0 if slot.live else counts,
        upcoming=int(slot.live),
        services_open=int(slot.live and slot.creditable),
    )


def _credited(settings: ClinicSettings, slot: Slot) -> int:
    """What full presence credits (R10)."""
    policy = settings.policy_on(slot.local_date)
    cut = slot.length % policy.round_to if policy.kind == CreditKind.ROUND_DOWN else 0
    return slot.length - cut if slot.creditable else 0
