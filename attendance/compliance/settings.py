"""What a clinic has decided that judging needs, read in one statement.

A correction of a roster may spend ten statements on judging (DESIGN: nightly), so the small dated
tables of a clinic come as arrays beside its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject

from attendance.compliance.rules.weeks import Basis, StandardTerms
from attendance.compliance.spans import Span
from attendance.models import AbsenceRule, CreditRule, Flag, Standard, WeekResult
from attendance.records.facts import DEFAULT_POLICY, policy_of
from attendance.records.rules import CreditPolicy
from iop_clinic.accounts.models import Clinic, Membership
from iop_clinic.accounts.prepared import prepared
from iop_clinic.accounts.weeks import Week, local_date, week_of
from patients.models import Episode
from scheduling.models import Closure, WeeklyBlock
from scheduling.rules import occurrences

WEEKLY_RULES = (
    AbsenceRule.Kind.HOURS,
    AbsenceRule.Kind.BELOW_PLAN,
    AbsenceRule.Kind.OVER_MAXIMUM,
    AbsenceRule.Kind.TOO_FEW_DAYS,
    AbsenceRule.Kind.LEFT_SHORT,
)
"""Rules about one week, whose evidence begins with the week's first date."""

WEEKDAYS = frozenset(range(7))
MONDAY_TO_FRIDAY = frozenset(range(5))


@dataclass(frozen=True, slots=True)
class DatedStandard:
    id: int
    name: str
    source: int
    program_id: int | None
    payer_id: int | None
    level: int
    age_bracket: int
    week_starts_on: int
    span: Span
    terms: StandardTerms


@dataclass(frozen=True, slots=True)
class DatedPolicy:
    span: Span
    policy: CreditPolicy


@dataclass(frozen=True, slots=True)
class Rule:
    """A dated absence rule: what opens a case, how loud, whose, due when."""

    kind: int
    times: int
    window_days: int
    severity: int
    owner_role: str
    due: str
    due_amount: int
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """A weekly meeting of a group, or a standing one of an episode, as far as dates go."""

    group_id: int | None
    episode_id: int | None
    weekday: int
    every_weeks: int
    span: Span

    def dates(self, first: date, last: date) -> list[date]:
        """The local dates it meets on between two, both inside."""
        return occurrences(
            weekday=self.weekday,
            every_weeks=self.every_weeks,
            valid_from=self.span.first,
            valid_until=self.span.last,
            first=first,
            last=last,
        )


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """When somebody is there to act, in the clinic's wall time."""

    zone: ZoneInfo
    opens_at: time
    closes_at: time
    weekdays: frozenset[int]
    closures: tuple[Span, ...] = ()
    """Local dates on which the whole clinic is closed all day."""

    def opens_on(self, day: date) -> bool:
        """Whether a local date is a business day."""
        return day.weekday() in self.weekdays and not any(day in away for away in self.closures)


@dataclass(frozen=True, slots=True)
class ClinicSettings:
    clinic_id: int
    zone: ZoneInfo
    week_starts_on: int
    adult_at: int
    """Years of age from which a patient is judged as an adult (R2)."""
    hours: BusinessHours
    standards: tuple[DatedStandard, ...]
    rules: tuple[Rule, ...]
    policies: tuple[DatedPolicy, ...]
    blocks: tuple[Block, ...]
    watched_from: date | None
    """The oldest week or roster that an open case waits for."""
    judged_since: date | None = None
    """The local date on which a night first stored a week's result."""
    roles: frozenset[str] = frozenset()
    """The roles that somebody has who may sign in."""
    state: str = ""
    """The US state in which licenses are valid; empty: in any."""

    def week(self, day: date) -> Week:
        return week_of(day, week_start=self.week_starts_on)

    def policy_on(self, day: date) -> CreditPolicy:
        in_force = (p.policy for p in self.policies if day in p.span)
        return next(in_force, DEFAULT_POLICY)

    def rules_on(self, kind: int, day: date) -> Iterator[Rule]:
        return (rule for rule in self.rules if rule.kind == kind and day in rule.span)


def clinic_settings(
    clinic: Clinic | int, *, locking: QuerySet[Episode] | None = None
) -> ClinicSettings:
    """What one clinic has decided; 1 statement. Raises Clinic.DoesNotExist for an unknown key.

    The episodes of `locking` are locked on the way, so that the next statement reads them as they
    are: one that locks and reads would wait for a writer and then tell what was true before.
    """
    pk = clinic if isinstance(clinic, int) else clinic.pk
    found = settings_of([pk], locking=locking)
    if pk not in found:
        raise Clinic.DoesNotExist
    return found[pk]


def settings_of(
    clinics: Iterable[int], *, locking: QuerySet[Episode] | None = None
) -> dict[int, ClinicSettings]:
    """Hours, standards, absence rules, credit rules and weekly blocks of clinics, by their keys;
    1 statement for any number of them."""
    keys = tuple(clinics)
    if locking is None:
        rows = _read(keys)
    else:
        held = locking.select_for_update(no_key=True).order_by("pk")
        rows = list(_rows(keys).annotate(held=ArraySubquery(held.values("pk"))))
    return {row.pk: _settings(row) for row in rows}


def _rows(clinics: tuple[int, ...]) -> QuerySet[Any]:
    rows: QuerySet[Any] = Clinic.objects.filter(pk__in=clinics).order_by("pk")
    return rows.annotate(
        standard_rows=_array(Standard.objects.filter(kind=Standard.Kind.WEEKLY_HOURS), _STANDARD),
        rule_rows=_array(AbsenceRule.objects.all(), _RULE),
        policy_rows=_array(CreditRule.objects.all(), _POLICY),
        block_rows=_array(_counted_blocks(), _BLOCK),
        closure_rows=_array(_whole_days(), _DATED),
        role_names=ArraySubquery(_roles()),
        watched_week=_watched(WEEKLY_RULES, "evidence_key"),
        watched_roster=_watched([AbsenceRule.Kind.UNRECORDED], "session__local_date"),
        first_judged_at=Subquery(_first_result()),
    )


_read = prepared(_rows)


def _settings(row: Any) -> ClinicSettings:
    return ClinicSettings(
        clinic_id=row.pk,
        zone=row.tz,
        week_starts_on=row.week_starts_on,
        adult_at=row.adult_at,
        hours=business_hours(row),
        standards=tuple(_standard(one) for one in row.standard_rows),
        rules=tuple(_rule(one) for one in row.rule_rows),
        policies=tuple(_policy(one) for one in row.policy_rows),
        blocks=tuple(_block(one) for one in row.block_rows),
        watched_from=_earliest(row.watched_week, row.watched_roster),
        judged_since=row.first_judged_at and local_date(row.first_judged_at, row.tz),
        roles=frozenset(row.role_names),
        state=row.state,
    )


_DATED = ("starts_on", "ends_on")
_STANDARD = (
    *("id", "name", "source", "program_id", "payer_id", "level", "age_bracket", "min_minutes"),
    *("max_minutes", "day_threshold", "min_days", "services_per_day", "basis", "counted_types"),
    *("week_starts_on", "prorate", *_DATED),
)
_RULE = ("kind", "times", "window_days", "severity", "owner_role", "due", "due_amount", *_DATED)
_POLICY = (
    *("kind", "round_to", "min_percent", "grace_minutes", "excused_reasons", "notice_minutes"),
    *("proof_hours", *_DATED),
)
_BLOCK = ("group_id", "episode_id", "weekday", "every_weeks", "valid_from", "valid_until")


def _array(rows: QuerySet[Any], fields: tuple[str, ...]) -> ArraySubquery:
    own = rows.filter(clinic=OuterRef("pk")).order_by("pk")
    return ArraySubquery(own.values(row=JSONObject(**{name: name for name in fields})))


def _counted_blocks() -> QuerySet[WeeklyBlock]:
    return WeeklyBlock.objects.filter(session_type__creditable=True)


def _whole_days() -> QuerySet[Closure]:
    return Closure.objects.in_force().filter(from_time=None, to_time=None, room=None)


def _roles() -> QuerySet[Any, Any]:
    own = Membership.objects.filter(clinic=OuterRef("pk"), active=True, user__is_active=True)
    return own.order_by().values("role").distinct()


def _watched(kinds: Sequence[AbsenceRule.Kind], field: str) -> Any:
    """The earliest `field` of the clinic's open cases of some rules, as a scalar subquery."""
    still_open = Flag.objects.filter(clinic=OuterRef("pk"), rule__in=kinds).open()
    grouped = still_open.order_by().values("clinic").annotate(first=Min(field))
    return grouped.values("first")[:1]


def _first_result() -> QuerySet[Any, Any]:
    own = WeekResult.objects.filter(clinic=OuterRef("pk"))
    return own.order_by("pk").values("judged_at")[:1]


def _earliest(week_key: str | None, roster: date | None) -> date | None:
    week = date.fromisoformat(week_key[:10]) if week_key else None
    return min((day for day in (week, roster) if day), default=None)


def with_closures(rows: QuerySet[Clinic]) -> QuerySet[Any]:
    """Clinics with what `business_hours` reads beside their own columns."""
    return rows.annotate(closure_rows=_array(_whole_days(), _DATED))


def business_hours(row: Any) -> BusinessHours:
    """Opening hours of a clinic read with its closures; without business days Monday to Friday."""
    weekdays = frozenset(row.business_days) & WEEKDAYS or MONDAY_TO_FRIDAY
    closures = tuple(Span.of(one) for one in row.closure_rows)
    return BusinessHours(row.tz, row.opens_at, row.closes_at, weekdays, closures)


def _standard(row: dict[str, Any]) -> DatedStandard:
    terms = StandardTerms(
        minimum=row["min_minutes"],
        maximum=row["max_minutes"],
        day_threshold=row["day_threshold"],
        days=row["min_days"],
        services_per_day=row["services_per_day"],
        basis=Basis(row["basis"]),
        counted_types=frozenset(row["counted_types"]),
        prorate=row["prorate"],
    )
    own = ("id", "name", "source", "program_id", "payer_id", "level", "age_bracket")
    same = {name: row[name] for name in own}
    return DatedStandard(
        **same, week_starts_on=row["week_starts_on"], span=Span.of(row), terms=terms
    )


def _rule(row: dict[str, Any]) -> Rule:
    return Rule(**_without_dates(row), span=Span.of(row))


def _policy(row: dict[str, Any]) -> DatedPolicy:
    return DatedPolicy(Span.of(row), policy_of(CreditRule(**_without_dates(row))))


def _block(row: dict[str, Any]) -> Block:
    dated = {"starts_on": row.pop("valid_from"), "ends_on": row.pop("valid_until")}
    return Block(**row, span=Span.of(dated))


def _without_dates(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _DATED}
