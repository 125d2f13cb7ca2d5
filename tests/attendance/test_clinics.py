"""A new clinic can work from its first day."""

import datetime

import pytest

from attendance.clinics import open_clinic
from attendance.models import AbsenceRule, CreditRule, Standard
from attendance.records.facts import policy_on
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import AuditEvent, Clinic, Weekday
from scheduling.models import SessionType

pytestmark = pytest.mark.django_db

BY = Job("setup")
Kind = AbsenceRule.Kind


def opened(**extra) -> Clinic:
    return open_clinic(**{"name": "Harbor", "zone": "America/Chicago", "by": BY, **extra})


def test_session_types_and_what_counts():
    clinic = opened()
    types = dict(SessionType.objects.filter(clinic=clinic).values_list("name", "creditable"))
    not_counted = sorted(name for name, creditable in types.items() if not creditable)
    assert not_counted == ["Drug screen", "Peer support", "Recreation"]
    assert {"Group therapy", "Individual", "Family", "Multi-family", "Education"} <= set(types)
    assert {"Prescriber visit", "Case management"} <= set(types)
    ceiling = SessionType.objects.get(clinic=clinic, kind=SessionType.Kind.MULTI_FAMILY).ceiling
    assert ceiling > SessionType.objects.get(clinic=clinic, name="Group therapy").ceiling == 15


def test_standards_of_the_field():
    clinic = opened(state="IL")
    rows = Standard.objects.filter(clinic=clinic).values_list(
        "name", "min_minutes", "max_minutes", "day_threshold", "min_days"
    )
    assert set(rows) == {
        ("Adult IOP 2.1", 540, 1200, 180, 3),
        ("Adolescent IOP 2.1", 360, 1200, 120, 3),
        ("Adult PHP 2.5", 1200, None, 240, 5),
        ("Adolescent PHP 2.5", 1200, None, 240, 5),
    }
    starts = set(Standard.objects.filter(clinic=clinic).values_list("starts_on", "basis"))
    assert starts == {(datetime.date(2000, 1, 1), "credited")}


ATTENDANCE_RULES = [
    (Kind.HOURS, 1, 0, "coordinator", "business_days", 1),
    (Kind.NO_CALL_DAY, 1, 0, "therapist", "same_day", 0),
    (Kind.CONSECUTIVE, 2, 0, "coordinator", "hours", 24),
    (Kind.COUNT_IN_DAYS, 3, 30, "coordinator", "business_days", 2),
    (Kind.UNRECORDED, 1, 0, "coordinator", "same_day", 0),
    (Kind.BELOW_PLAN, 1, 0, "therapist", "business_days", 2),
    (Kind.OVER_MAXIMUM, 1, 0, "coordinator", "business_days", 2),
    (Kind.TOO_FEW_DAYS, 1, 0, "coordinator", "business_days", 1),
    (Kind.LEFT_SHORT, 1, 0, "therapist", "business_days", 2),
    (Kind.EXCUSED_DAYS, 3, 30, "therapist", "business_days", 2),
    (Kind.SILENT_DAYS, 5, 2, "coordinator", "same_day", 0),
    (Kind.FIRST_DAYS, 1, 21, "therapist", "same_day", 0),
]
OFFERED = {Kind.MISSED_OF_LAST, Kind.PERCENT_IN_DAYS, Kind.TARDIES}


def test_rules_about_attendance_with_owner_and_due_time():
    clinic = opened()
    rules = AbsenceRule.objects.filter(clinic=clinic, kind__lte=Kind.FIRST_DAYS).order_by("kind")
    assert [
        (r.kind, r.times, r.window_days, r.owner_role, r.due, r.due_amount) for r in rules
    ] == ATTENDANCE_RULES


def test_every_rule_but_those_a_clinic_may_add_is_on():
    on = set(AbsenceRule.objects.filter(clinic=opened()).values_list("kind", flat=True))
    assert set(Kind) - on == OFFERED


def test_exact_minutes_and_five_minutes_of_grace():
    clinic = opened()
    policy = policy_on(clinic, datetime.date(2026, 3, 4))
    assert (policy.kind, policy.grace_minutes, policy.notice_minutes) == ("exact", 5, 1440)
    assert "illness" in policy.excused_reasons
    assert "work" not in policy.excused_reasons


def test_week_start_and_first_date_are_the_clinics_choice():
    clinic = opened(week_starts_on=Weekday.SUNDAY, rules_from=datetime.date(2026, 1, 1))
    rows = Standard.objects.filter(clinic=clinic).values_list("week_starts_on", "starts_on")
    assert set(rows) == {(6, datetime.date(2026, 1, 1))}
    assert CreditRule.objects.get(clinic=clinic).starts_on == datetime.date(2026, 1, 1)


def test_the_trail_names_who_opened_it():
    clinic = opened()
    assert set(AuditEvent.objects.values_list("actor", "clinic_id")) == {("job:setup", clinic.pk)}


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"zone": "America/Springfield"}, "zone"),
        ({"name": ""}, "name"),
        ({"name": "Lake"}, "name"),
        ({"nightly_at": datetime.time(2)}, "__all__"),
    ],
)
def test_a_clinic_that_cannot_work_is_refused(extra, field):
    opened(name="Lake")
    with pytest.raises(Refused) as refusal:
        opened(**extra)
    assert (refusal.value.code, refusal.value.field) == ("invalid", field)
    assert Clinic.objects.count() == 1
