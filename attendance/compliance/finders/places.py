"""Places and people that carry a clinic's groups: licenses, caseloads, groups under their size.

Each finder is one statement for any number of clinics, and reads only the rows that are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, F, FilteredRelation, Min, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject, Least, Upper

from attendance.compliance.finders.treatment import Ruled, longest, on, ruled, today_of
from attendance.compliance.findings import CaseKey, Finding, Nights
from attendance.compliance.rules.countdowns import Countdown, paper_severity
from attendance.compliance.rules.spells import spell_start
from attendance.compliance.settings import Rule
from attendance.compliance.spans import Span
from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.models import License, Therapist
from iop_clinic.accounts.weeks import long_date
from patients.models import Episode
from scheduling.models import Group, GroupMembership, WeeklyBlock

IN_TREATMENT = (Episode.State.ADMITTED, Episode.State.ON_HOLD)


# Licenses


def license_findings(nights: Nights) -> Iterator[Finding]:
    """A therapist whose last valid license for what they lead ends within n days, or has ended.

    One that is valid for longer is enough, of the clinic's state and of a credential that the type
    asks for. Who never had one is not asked for one.
    """
    with_rule = ruled(nights, AbsenceRule.Kind.LICENSE_ENDING)
    for row in _with_licenses_ending(with_rule) if with_rule else ():
        night, rule = with_rule[row.clinic_id]
        last = _last_license(row)
        ends = date.fromisoformat(last["ends_on"])
        stage = Countdown(rule.times, 7, 0).stage((ends - night.today).days)
        if stage is not None:
            yield _of_therapist(
                rule,
                row,
                evidence_key=str(last["pk"]),
                evidence={"stage": stage.value, "ends_on": ends.isoformat()},
                sentence=f"{row.name}: the license {'ended' if ends < night.today else 'ends'} on "
                f"{long_date(ends)}, and no other is valid for longer.",
                severity=paper_severity(rule.severity, stage),
                due_on=ends,
            )


def _with_licenses_ending(nights: Ruled) -> Any:
    """Therapists one of whose licenses ends soon: with all of them, and with what the types of the
    blocks that they lead ask for."""
    today = today_of(nights)
    own = License.objects.filter(
        Q(clinic__state="") | Q(state__iexact=F("clinic__state")),
        clinic=OuterRef("clinic"),
        therapist=OuterRef("pk"),
    )
    led = WeeklyBlock.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gte=today),
        clinic=OuterRef("clinic"),
        facilitator=OuterRef("pk"),
    )
    told = JSONObject(pk="pk", credential=Upper("credential"), ends_on="expires_on")
    asked = led.order_by().values(row=JSONObject(credentials="session_type__credentials"))
    return (
        Therapist.objects.filter(
            Exists(own.filter(expires_on__lte=today + longest(nights))),
            clinic__in=nights,
            active=True,
        )
        .annotate(
            own=ArraySubquery(own.order_by("expires_on", "pk").values(row=told)),
            asked=ArraySubquery(asked.distinct()),
        )
        .order_by("pk")
    )


def _last_license(row: Any) -> dict[str, Any]:
    """Of the licenses that last longest for each type they lead, the one that ends first."""
    lasts = [row.own[-1]]
    for asked in row.asked:
        lasts += [one for one in row.own if one["credential"] in asked["credentials"]][-1:]
    return min(lasts, key=lambda one: (one["ends_on"], one["pk"]))


# Caseloads


def caseload_findings(nights: Nights) -> Iterator[Finding]:
    """More active episodes than the lower of the rule's limit and the therapist's own (R12).

    The key is the first date of the present spell over the limit, reckoned from the episodes.
    """
    with_rule = ruled(nights, AbsenceRule.Kind.CASELOAD)
    for row in _overloaded(with_rule) if with_rule else ():
        night, rule = with_rule[row.clinic_id]
        limit = min(rule.times, row.max_caseload)
        stays = [Span.of(one) for one in row.stays]
        since = spell_start(stays, night.today, holds=limit.__lt__)
        if since is not None:
            yield _of_therapist(
                rule,
                row,
                evidence_key=f"over:{since}",
                evidence={"caseload": row.caseload_size, "limit": limit},
                sentence=f"{row.name} is the primary therapist of {row.caseload_size} patients in "
                f"treatment; the limit is {limit}.",
            )


def _overloaded(nights: Ruled) -> Any:
    today = today_of(nights)
    lowest = min(rule.times for _, rule in nights.values())
    active = Q(
        caseload__clinic__in=nights,
        caseload__state__in=IN_TREATMENT,
        caseload__admitted_on__lte=today,
    )
    own = Episode.objects.filter(
        clinic=OuterRef("clinic"), primary_therapist=OuterRef("pk"), admitted_on__isnull=False
    )
    dates = JSONObject(starts_on="admitted_on", ends_on="discharged_on")
    return (
        Therapist.objects.filter(clinic__in=nights, active=True)
        .annotate(active_caseload=FilteredRelation("caseload", condition=active))
        .annotate(caseload_size=Count("active_caseload"))
        .filter(caseload_size__gt=Least(F("max_caseload"), lowest))
        .annotate(stays=ArraySubquery(own.values(row=dates)))
        .order_by("pk")
    )


def _of_therapist(rule: Rule, row: Any, **rest: Any) -> Finding:
    key = CaseKey(rule.kind, Flag.Subject.THERAPIST, row.pk, rest.pop("evidence_key"))
    return Finding(
        **{"key": key, "severity": rule.severity, "rule": rule, "clinic_id": row.clinic_id, **rest}
    )


# Groups


def group_findings(nights: Nights) -> Iterator[Finding]:
    """A group that meets with fewer members than make it viable (R11); one that never had a member
    is still being filled.

    The key is the first date of the present spell under the size, reckoned from the memberships and
    never before the group's first meeting: the same on every night of the spell, another the next
    time. A month as key would open a second case for one long spell.
    """
    with_rule = ruled(nights, AbsenceRule.Kind.GROUP_TOO_SMALL)
    for row in _small_groups(with_rule) if with_rule else ():
        night, rule = with_rule[row.clinic_id]
        stays = [Span.of(one) for one in row.stays]
        since = spell_start(stays, night.today, holds=row.min_size.__gt__, since=row.meets_from)
        if since is not None:
            members = f"{row.members} member{'s' * (row.members != 1)}"
            yield Finding(
                key=CaseKey(rule.kind, Flag.Subject.GROUP, row.pk, f"small:{since}"),
                evidence={"members": row.members, "min_size": row.min_size},
                sentence=f"{row.name} has {members}; it is viable from {row.min_size}, and under "
                f"that since {long_date(since)}.",
                severity=rule.severity,
                rule=rule,
                clinic_id=row.clinic_id,
            )


def _small_groups(nights: Ruled) -> Any:
    today = today_of(nights)
    seats = GroupMembership.objects.filter(clinic=OuterRef("clinic"), group=OuterRef("pk"))
    blocks = WeeklyBlock.objects.filter(clinic=OuterRef("clinic"), group=OuterRef("pk"))
    meeting = blocks.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gte=today), valid_from__lte=today
    )
    first = blocks.order_by().values("group").annotate(first=Min("valid_from")).values("first")
    here = on(today, "memberships__") & Q(memberships__clinic__in=nights)
    dates = JSONObject(starts_on="starts_on", ends_on="ends_on")
    return (
        Group.objects.filter(
            Exists(meeting),
            Exists(seats.filter(starts_on__lte=today)),
            clinic__in=nights,
            active=True,
        )
        .annotate(here=FilteredRelation("memberships", condition=here))
        .annotate(members=Count("here"))
        .filter(members__lt=F("min_size"))
        .annotate(stays=ArraySubquery(seats.values(row=dates)), meets_from=Subquery(first))
        .order_by("pk")
    )
