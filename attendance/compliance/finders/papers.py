"""Papers of patients in treatment that are due: plan, verification, certification, age bracket.

Each finder is one statement for any number of clinics, and reads only the rows that are due. Every
sentence names dates and no count of days, so a night on which nothing changed writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.db.models import DateField, Exists, ExpressionWrapper, F, Max, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject, Least

from attendance.compliance.due import business_day_after
from attendance.compliance.finders.treatment import (
    earliest,
    in_treatment,
    longest,
    of_episode,
    on,
    plans_on,
    ruled,
    today_of,
    with_owner,
)
from attendance.compliance.findings import Finding, Night, Nights
from attendance.compliance.rules.countdowns import Countdown, Stage, paper_severity
from attendance.compliance.settings import Rule
from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.weeks import long_date, week_of
from patients.models import AgeBracket, Certification, TreatmentPlan
from patients.rules import birthday
from scheduling.models import Booking

Kind = AbsenceRule.Kind
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
NEWLY_ADMITTED = timedelta(days=31)
"""Who was never seen for longer is found as silent; an open case is looked at for ever."""


# The first session


def first_session_findings(nights: Nights) -> Iterator[Finding]:
    """Admitted, and no session attended by the end of the n-th business day after it (2b: 48 h).

    Business days, because nobody can be seen where the clinic is closed: an admission on a Friday
    is due by Tuesday. A roster that is not in may hold the session, so it opens nothing (R24).
    """
    with_rule = ruled(nights, Kind.NO_FIRST_SESSION)
    for row in _never_seen(with_rule) if with_rule else ():
        night, rule = with_rule[row.clinic_id]
        if night.through >= business_day_after(row.admitted_on, rule.times, night.settings.hours):
            yield of_episode(
                rule,
                row,
                evidence_key=f"admitted:{row.admitted_on}",
                evidence={"admitted_on": row.admitted_on.isoformat(), "booked": _iso(row.next_on)},
                sentence=f"Admitted on {long_date(row.admitted_on)}, and no session attended yet; "
                f"{_next_session(row.next_on)}.",
            )


def _never_seen(nights: Any) -> Any:
    today = today_of(nights)
    own = Booking.objects.expected().filter(
        clinic=OuterRef("clinic"),
        episode=OuterRef("pk"),
        session__local_date__gte=OuterRef("admitted_on"),
    )
    now = next(iter(nights.values()))[0].now
    seen = Q(attendance__attended=True) | Q(attendance__isnull=True, ends_at__lte=now)
    watched = Flag.objects.filter(
        clinic=OuterRef("clinic"), rule=Kind.NO_FIRST_SESSION, episode=OuterRef("pk")
    ).open()
    rows = in_treatment(nights).filter(
        Q(admitted_on__gte=today - NEWLY_ADMITTED) | Exists(watched), ~Exists(own.filter(seen))
    )
    coming = own.seated().filter(ends_at__gt=now).order_by("starts_at")
    return with_owner(rows.annotate(next_on=Subquery(coming.values("session__local_date")[:1])))


def _next_session(day: date | None) -> str:
    return f"the next one is booked for {long_date(day)}" if day else "none is booked"


# Plans


def plan_findings(nights: Nights) -> Iterator[Finding]:
    """No plan in force, or one whose review is due within n days. Without a plan no week is judged,
    so it must be seen."""
    with_rule = ruled(nights, Kind.PLAN_DUE)
    for row in _plans_due(with_rule) if with_rule else ():
        night, rule = with_rule[row.clinic_id]
        yield from _without_plan(rule, row) if row.plan is None else _review(night, rule, row)


def _plans_due(nights: Any) -> Any:
    today = today_of(nights)
    before = TreatmentPlan.objects.filter(
        clinic=OuterRef("clinic"), episode=OuterRef("pk"), ends_on__lt=today
    )
    plan = plans_on(today)
    rows = in_treatment(nights).annotate(
        plan=Subquery(plan.values(row=JSONObject(review="review_due_on", ends="ends_on"))[:1]),
        review_due_on=Subquery(plan.values("review_due_on")[:1]),
        last_plan_ended=Subquery(
            before.order_by().values("episode").annotate(last=Max("ends_on")).values("last")
        ),
    )
    due = Q(plan__isnull=True) | Q(review_due_on__lte=today + longest(nights))
    return with_owner(rows.filter(due))


def _without_plan(rule: Rule, row: Any) -> Iterator[Finding]:
    ended = row.last_plan_ended
    since = max(row.admitted_on, ended + DAY) if ended else row.admitted_on
    yield of_episode(
        rule,
        row,
        evidence_key=f"none:{since}",
        evidence={"stage": "none", "since": since.isoformat()},
        sentence=f"No treatment plan in force since {long_date(since)}: no week is judged.",
    )


def _review(night: Night, rule: Rule, row: Any) -> Iterator[Finding]:
    due, ends = row.review_due_on, row.plan["ends"]
    stage = Countdown(rule.times, 0, 0).stage((due - night.today).days)
    if stage is None or (ends and date.fromisoformat(ends) < due):
        return  # the plan that follows has a review of its own
    yield of_episode(
        rule,
        row,
        evidence_key=f"review:{due}",
        evidence={"stage": stage.value, "review_due_on": due.isoformat()},
        sentence=f"The treatment plan is to be reviewed by {long_date(due)}.",
        severity=paper_severity(rule.severity, stage),
        due_on=due,
    )


# Insurance


def verification_findings(nights: Nights) -> Iterator[Finding]:
    """Insurance in force to be verified within n days or overdue. A verification counts from n days
    before the date it is due by: one of last month says nothing of this one's date."""
    with_rule = ruled(nights, Kind.VERIFICATION_DUE)
    for row in _unverified(with_rule) if with_rule else ():
        night, rule = with_rule[row.clinic_id]
        stage = Countdown(rule.times, 0, 0).stage((row.due_on - night.today).days)
        counts = row.verified_on and row.verified_on >= row.due_on - rule.times * DAY
        if stage is not None and not counts:
            yield of_episode(
                rule,
                row,
                evidence_key=f"{row.coverage}:{row.due_on}",
                evidence={"stage": stage.value, "due_on": row.due_on.isoformat()},
                sentence=f"{row.payer_name}: the insurance is to be verified"
                f"{' again' if row.verified_on else ''} by {long_date(row.due_on)}.",
                severity=paper_severity(rule.severity, stage),
                due_on=row.due_on,
            )


def _unverified(nights: Any) -> Any:
    today = today_of(nights)
    rows = in_treatment(nights).filter(
        on(today, "patient__coverages__"),
        patient__coverages__clinic__in=nights,
        patient__coverages__verification_due_on__lte=today + longest(nights),
    )
    due = Q(verified_on__isnull=True) | Q(verified_on__lt=F("due_on"))
    return with_owner(
        rows.annotate(
            coverage=F("patient__coverages__pk"),
            due_on=F("patient__coverages__verification_due_on"),
            verified_on=F("patient__coverages__verified_on"),
            payer_name=F("patient__coverages__payer__name"),
        ).filter(due)
    )


# Certification


def certification_findings(nights: Nights) -> Iterator[Finding]:
    """The need is to be certified again within n days: as the last certification says, and no later
    than the payer allows; without any, from the admission on (R6)."""
    with_rule = ruled(nights, Kind.CERTIFICATION_DUE)
    rows = _certifications_due(with_rule) if with_rule else ()
    for row in earliest(rows, "due_on").values():
        night, rule = with_rule[row.clinic_id]
        stage = Countdown(rule.times, 7, 0).stage((row.due_on - night.today).days)
        if stage is not None:
            yield of_episode(
                rule,
                row,
                evidence_key=f"due:{row.due_on}",
                evidence={"stage": stage.value, "due_on": row.due_on.isoformat()},
                sentence=f"{row.payer_name}: the need for this level is to be certified"
                f"{' again' if row.certified_on else ''} by {long_date(row.due_on)}.",
                severity=paper_severity(rule.severity, stage),
                due_on=row.due_on,
            )


def _certifications_due(nights: Any) -> Any:
    today = today_of(nights)
    last = Certification.objects.filter(
        clinic=OuterRef("clinic"), episode=OuterRef("pk"), certified_on__lte=today
    ).order_by("-due_again_on", "-pk")
    rows = in_treatment(nights).filter(
        on(today, "patient__coverages__"),
        patient__coverages__clinic__in=nights,
        patient__coverages__payer__certification_days__isnull=False,
    )
    by_payer = ExpressionWrapper(
        F("certified_on") + F("patient__coverages__payer__certification_days"),
        output_field=DateField(),
    )
    rows = rows.annotate(
        payer_name=F("patient__coverages__payer__name"),
        certified_on=Subquery(last.values("certified_on")[:1]),
        due_again_on=Subquery(last.values("due_again_on")[:1]),
    ).annotate(due_on=Least(F("due_again_on"), by_payer))
    # LEAST leaves out what is empty: both are, without a certification.
    due = Q(certified_on__isnull=True) | Q(due_on__lte=today + longest(nights))
    return _from_admission(with_owner(rows.filter(due)))


def _from_admission(rows: Any) -> Iterator[Any]:
    for row in rows:
        row.due_on = row.due_on or row.admitted_on
        yield row


# Age


def age_findings(nights: Nights) -> Iterator[Finding]:
    """A plan of the wrong age bracket, or one that a birthday within n days makes wrong (R2).

    A week is judged by the age on its first day, so the first week begun as an adult is the one
    that needs an adult's plan.
    """
    with_rule = ruled(nights, Kind.AGE_BRACKET)
    for row in _near_adulthood(with_rule) if with_rule else ():
        night, rule = with_rule[row.clinic_id]
        if row.plan["age_bracket"] == AgeBracket.ADOLESCENT:
            yield from _growing_up(night, rule, row)
        else:
            yield from _too_young(night, rule, row)


def _near_adulthood(nights: Any) -> Any:
    """With an adolescent's plan and nearly of age, or with an adult's plan and under age."""
    today, bracket = today_of(nights), Q()
    for years in {night.settings.adult_at for night, _ in nights.values()}:
        soon = _years_before(today + longest(nights), years)
        growing = Q(bracket=AgeBracket.ADOLESCENT, patient__birth_date__lte=soon)
        of_age = _years_before(today + WEEK, years)
        young = Q(bracket=AgeBracket.ADULT, patient__birth_date__gt=of_age - DAY)
        bracket |= Q(clinic__adult_at=years) & (growing | young)
    plan = plans_on(today)
    shown = JSONObject(age_bracket="age_bracket", starts_on="starts_on")
    later = TreatmentPlan.objects.filter(
        clinic=OuterRef("clinic"),
        episode=OuterRef("pk"),
        starts_on__gt=today,
        age_bracket=AgeBracket.ADULT,
    )
    return with_owner(
        in_treatment(nights)
        .annotate(
            birth_date=F("patient__birth_date"),
            bracket=Subquery(plan.values("age_bracket")[:1]),
            plan=Subquery(plan.values(row=shown)[:1]),
            adult_plan_from=Subquery(later.order_by("starts_on").values("starts_on")[:1]),
        )
        .filter(bracket)
    )


def _growing_up(night: Night, rule: Rule, row: Any) -> Iterator[Finding]:
    settings = night.settings
    adult_on = birthday(row.birth_date, settings.adult_at)
    judged_from = week_of(adult_on + WEEK - DAY, week_start=settings.week_starts_on).start
    stage = Countdown(rule.times, 0, 0).stage((adult_on - night.today).days)
    planned = row.adult_plan_from is not None and row.adult_plan_from <= judged_from
    if stage is None or planned:
        return
    yield of_episode(
        rule,
        row,
        evidence_key=f"adult:{adult_on}",
        evidence={"stage": stage.value, "adult_on": adult_on.isoformat()},
        sentence=f"{settings.adult_at} years old on {long_date(adult_on)} with an adolescent's "
        f"plan: from the week of {long_date(judged_from)} the adult minimum judges.",
        severity=paper_severity(rule.severity, stage),
        due_on=adult_on,
    )


def _too_young(night: Night, rule: Rule, row: Any) -> Iterator[Finding]:
    adult_on = birthday(row.birth_date, night.settings.adult_at)
    if adult_on <= night.today + WEEK:
        return  # the adult's plan is only a little early
    yield of_episode(
        rule,
        row,
        evidence_key=f"young:{row.plan['starts_on']}",
        evidence={"stage": Stage.NOW.value, "adult_on": adult_on.isoformat()},
        sentence=f"An adult's plan for a patient who is judged as an adolescent until "
        f"{long_date(adult_on)}.",
    )


def _years_before(day: date, years: int) -> date:
    """The latest birth date of somebody of this age on a date, or a day later (29 February)."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 3, 1)


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
