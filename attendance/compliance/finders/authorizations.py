"""Authorizations that end, run out or are missing while the payer needs one (R23).

One case for each authorization while it can still be renewed in time: what grows is the stage. Once
it has ended or is used up, treatment that nobody pays for is another: whoever settled the first
has not settled that. What is used is read for those authorizations only that could run out with
what is booked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    Count,
    DateField,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Cast, Coalesce, Greatest

from attendance.compliance.days import ended, minutes, open_to_change
from attendance.compliance.due import business_day_after
from attendance.compliance.finders.treatment import (
    Ruled,
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
from attendance.compliance.rules.authorizations import (
    Approval,
    Runway,
    Unit,
    authorization_stage,
    runway,
)
from attendance.compliance.rules.countdowns import Countdown, Stage, paper_severity
from attendance.compliance.rules.weeks import DayMinutes, StandardTerms
from attendance.compliance.settings import ClinicSettings, Rule
from attendance.models import AbsenceRule, Standard
from iop_clinic.accounts.weeks import long_date
from patients.models import AgeBracket, Authorization, Coverage
from patients.rules import age_on
from scheduling.models import Booking
from scheduling.querysets import BookingQuerySet

ANY_DAY = StandardTerms(minimum=0, maximum=None, day_threshold=0, days=0)
"""Where no standard judges the level, a day with a credited minute is a day."""
LONGEST_SESSION_HOURS = 6
OVER = ":over"
"""Ends the evidence key of an authorization that has ended or is used up."""
_ANY_ZONE = timedelta(days=1)


def authorization_findings(nights: Nights) -> Iterator[Finding]:
    """Ending within n days, few units left, running out before its end, exhausted or lapsed."""
    with_rule = ruled(nights, AbsenceRule.Kind.AUTHORIZATION_ENDING)
    rows = list(_candidates(with_rule)) if with_rule else []
    lines = approved_lines(rows, with_rule[rows[0].clinic_id][0].now) if rows else {}
    for row in rows:
        night, rule = with_rule[row.clinic_id]
        approval = Approval(Unit(row.unit), row.units, row.starts_on, row.ends_on)
        reach = runway(
            approval,
            lines.get(row.episode_id, ()),
            approval_terms(night.settings, row, on=night.today),
        )
        stage = authorization_stage(
            approval,
            reach,
            today=night.today,
            countdown=Countdown(rule.times, min(3, rule.times), min(1, rule.times)),
            few_units=rule.window_days,
            followed=_followed(night, row),
        )
        if stage is not None:
            yield _finding(night, rule, row, reach, stage)


def _followed(night: Night, row: Any) -> bool:
    """Another begins by the first business day after this one: no treatment is left unpaid."""
    gap_ends = business_day_after(row.ends_on, 1, night.settings.hours)
    return row.next_starts_on is not None and row.next_starts_on <= gap_ends


def _finding(night: Night, rule: Rule, row: Any, reach: Runway, stage: Stage) -> Finding:
    return of_episode(
        rule,
        row,
        episode_id=row.episode_id,
        evidence_key=f"{row.pk}{OVER if stage == Stage.OVER else ''}",
        evidence={
            "stage": stage.value,
            "number": row.number,
            "ends_on": row.ends_on.isoformat(),
            "unit": row.unit,
            "units": row.units,
            "used": reach.used,
            "left": reach.left,
            "runs_out_on": reach.runs_out_on.isoformat() if reach.runs_out_on else None,
        },
        sentence=f"{row.payer.name} {row.number}: {_what(night, row, reach)}.",
        severity=paper_severity(rule.severity, stage),
        due_on=min(row.ends_on, reach.runs_out_on or row.ends_on),
    )


def _what(night: Night, row: Any, reach: Runway) -> str:
    label = Authorization.Unit(row.unit).label
    parts = [f"{'ended' if row.ends_on < night.today else 'ends'} on {long_date(row.ends_on)}"]
    parts.append(f"{reach.left} of {row.units} {label} left")
    if reach.uncovered_on and reach.runs_out_on and not reach.exhausted:
        early = (row.ends_on - reach.runs_out_on).days
        parts.append(
            f"by what is booked they run out on {long_date(reach.runs_out_on)}, "
            f"{early} day{'s' if early != 1 else ''} early"
        )
    if row.next_starts_on:
        parts.append(f"the next one begins on {long_date(row.next_starts_on)}")
    return "; ".join(parts)


# What is read


def _candidates(nights: Ruled) -> QuerySet[Any]:
    """The last authorization that has begun, of each payer that needs one, for the plan's level:
    those that end soon, and those that what is booked could use up."""
    today, now = today_of(nights), next(iter(nights.values()))[0].now
    same = {name: OuterRef(name) for name in ("clinic", "episode", "payer", "level")}
    later = Authorization.objects.filter(**same, starts_on__gt=OuterRef("starts_on"))
    few = max(rule.window_days for _, rule in nights.values())
    rows = Authorization.objects.annotate(
        plan_level=Subquery(plans_on(today, "episode").values("level")[:1]),
        next_starts_on=Subquery(later.order_by("starts_on").values("starts_on")[:1]),
        birth_date=F("episode__patient__birth_date"),
        program=F("episode__program"),
    ).filter(
        _paying(today),
        Q(plan_level__isnull=True) | Q(level=F("plan_level")),
        Q(ends_on__lte=today + longest(nights)) | Q(units__lte=_most_used(now, few)),
        ~Exists(later.filter(starts_on__lte=today)),
        clinic__in=nights,
        episode__in=in_treatment(nights),
        payer__needs_authorization=True,
        starts_on__lte=today,
    )
    return with_owner(rows.select_related("payer"), "episode__")


def _paying(day: date) -> Q:
    """A payer of the patient's on a date; any, where no insurance in force is entered."""
    own = Coverage.objects.filter(
        on(day), clinic=OuterRef("clinic"), patient=OuterRef("episode__patient")
    )
    return Q(Exists(own.filter(payer=OuterRef("payer")))) | ~Q(Exists(own))


def _bookings() -> BookingQuerySet:
    """Of the outer authorization's episode, as wide as any zone makes its dates; by its index."""
    return Booking.objects.filter(
        clinic=OuterRef("clinic"),
        episode=OuterRef("episode"),
        starts_at__gte=_instant("starts_on", -_ANY_ZONE),
        starts_at__lt=_instant("ends_on", 2 * _ANY_ZONE),
    ).order_by()


def _instant(field: str, shift: timedelta) -> Any:
    return ExpressionWrapper(
        Cast(OuterRef(field), DateTimeField()) + shift, output_field=DateTimeField()
    )


def _most_used(now: datetime, few: int) -> Any:
    """Whoever has more units than this can neither have few left nor run out by what is booked: the
    index of the bookings alone tells."""
    wall = Func(OuterRef("clinic__zone"), F("starts_at"), function="timezone")
    day = Cast(wall, DateField())
    over = Q(starts_at__lte=now)
    rows = _bookings().values("episode")

    def at_most(counted: Any, each: int = 1) -> Subquery:
        everything, so_far = (
            Count(counted, distinct=True),
            Count(counted, filter=over, distinct=True),
        )
        most = Greatest(everything * each - 1, so_far * each + few)
        return Subquery(rows.annotate(n=most).values("n"))

    cases = Case(
        When(unit=Authorization.Unit.DAY, then=at_most(day)),
        When(unit=Authorization.Unit.VISIT, then=at_most("pk")),
        default=at_most("pk", LONGEST_SESSION_HOURS),
        output_field=IntegerField(),
    )
    return Coalesce(cases, few)


def approved_lines(rows: Collection[Any], now: datetime) -> dict[int, list[DayMinutes]]:
    """The day lines of the authorizations' dates, by episode; sessions to come at full length."""
    first, last = min(row.starts_on for row in rows), max(row.ends_on for row in rows)
    creditable = Q(session__session_type__creditable=True)
    coming = open_to_change(now) & Q(nested_in__isnull=True)
    sums = (
        Booking.objects.expected()
        .filter(
            clinic__in={row.clinic_id for row in rows},
            episode__in={row.episode_id for row in rows},
            session__local_date__range=(first, last),
        )
        .order_by()
        .values_list("episode", "session__local_date", "session__session_type")
        .annotate(
            scheduled=Sum(minutes(), filter=creditable, default=0),
            attended=Sum("attendance__attended_minutes", filter=ended(now), default=0),
            credited=Sum("attendance__credited_minutes", filter=ended(now), default=0),
            attended_open=Sum(minutes(), filter=coming, default=0),
            credited_open=Sum(minutes(), filter=coming & creditable, default=0),
            services=Count("pk", filter=ended(now) & Q(attendance__credited_minutes__gt=0)),
            services_open=Count("pk", filter=coming & creditable),
        )
    )
    found: defaultdict[int, list[DayMinutes]] = defaultdict(list)
    for episode_id, *line in sums:
        found[episode_id].append(_line(*line))
    return found


def _line(
    day: date,
    session_type_id: int,
    scheduled: int,
    attended: int,
    credited: int,
    attended_open: int,
    credited_open: int,
    services: int,
    services_open: int,
) -> DayMinutes:
    return DayMinutes(
        local_date=day,
        session_type_id=session_type_id,
        scheduled=scheduled,
        attended=attended,
        credited=credited,
        attended_open=attended_open,
        credited_open=credited_open,
        services=services,
        services_open=services_open,
    )


def approval_terms(settings: ClinicSettings, row: Any, *, on: date) -> StandardTerms:
    """What makes a day: the payer's own standard of the level, any payer's, or the program's.

    `row` is an authorization with its patient's `birth_date` and its episode's `program`.
    """
    adult = age_on(row.birth_date, on) >= settings.adult_at
    bracket = AgeBracket.ADULT if adult else AgeBracket.ADOLESCENT
    fitting = [
        one
        for one in settings.standards
        if (one.level, one.age_bracket) == (row.level, bracket)
        and on in one.span
        and one.program_id in (None, row.program)
        and one.payer_id in (None, row.payer_id)
        and one.source != Standard.Source.COURT
    ]
    best = max(
        fitting, key=lambda one: (one.payer_id is not None, one.source, one.id), default=None
    )
    return best.terms if best else ANY_DAY


# None at all


def unauthorized_findings(nights: Nights) -> Iterator[Finding]:
    """A payer in force that needs an authorization, and none for the plan's level has begun."""
    with_rule = ruled(nights, AbsenceRule.Kind.AUTHORIZATION_ENDING)
    for row in _unauthorized(with_rule) if with_rule else ():
        night, rule = with_rule[row.clinic_id]
        first = row.first_starts_on
        if first is None or first > business_day_after(night.today, 1, night.settings.hours):
            begins = f"; the first begins on {long_date(first)}" if first else ""
            yield of_episode(
                rule,
                row,
                evidence_key=f"none:{row.payer}",
                evidence={"stage": "none", "payer": row.payer_name},
                sentence=f"{row.payer_name} needs an authorization, and none is in force{begins}.",
            )


def _unauthorized(nights: Ruled) -> QuerySet[Any]:
    today = today_of(nights)
    rows = (
        in_treatment(nights)
        .filter(
            on(today, "patient__coverages__"),
            patient__coverages__clinic__in=nights,
            patient__coverages__payer__needs_authorization=True,
        )
        .annotate(
            payer=F("patient__coverages__payer"),
            payer_name=F("patient__coverages__payer__name"),
            plan_level=Subquery(plans_on(today).values("level")[:1]),
        )
    )
    own = Authorization.objects.filter(
        clinic=OuterRef("clinic"),
        episode=OuterRef("pk"),
        payer=OuterRef("payer"),
        level=Coalesce(OuterRef("plan_level"), F("level")),
    )
    first = own.order_by("starts_on").values("starts_on")[:1]
    return with_owner(
        rows.annotate(first_starts_on=Subquery(first)).filter(
            ~Exists(own.filter(starts_on__lte=today))
        )
    )
