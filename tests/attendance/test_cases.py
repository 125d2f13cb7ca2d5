"""Working cases: verbs, versions, and the channels a patient allowed."""

import datetime

import pytest
from django.utils import timezone

from attendance.compliance.cases import (
    acknowledge,
    allowed_methods,
    assign,
    log_outreach,
    outcomes_for,
    resolve,
    snooze,
)
from attendance.models import AbsenceRule, Flag, OutreachAttempt
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from tests import factories as f
from tests.attendance.house import House
from tests.attendance.nights import case

pytestmark = pytest.mark.django_db

METHODS = OutreachAttempt.Method
DAY = datetime.timedelta(days=1)


@pytest.fixture
def house():
    return House()


@pytest.fixture
def flag(house):
    return case(house.clinic, episode=house.patient(), owner_role=Role.COORDINATOR)


def stored(flag):
    return Flag.objects.filter(pk=flag.pk).values().get()


def refused(code, flag, call, **arguments):
    """The call is refused with this code, and nothing of the case or its outreach changes."""
    before, tries = stored(flag), OutreachAttempt.objects.count()
    with pytest.raises(Refused) as refusal:
        call(flag=flag, **arguments)
    assert refusal.value.code == code
    assert (stored(flag), OutreachAttempt.objects.count()) == (before, tries)
    return refusal.value


def allow(flag, **facts):
    Patient.objects.filter(pk=flag.episode.patient_id).update(**facts)


def test_acknowledging_takes_the_case_on(house, flag):
    acknowledge(flag=flag, by=house.user, version=1)
    assert (flag.state, flag.owner, flag.version) == ("acknowledged", house.user, 2)
    event = AuditEvent.objects.filter(table_name="attendance_flag").latest("id")
    assert event.actor == house.user.actor
    assert event.new == {"state": "acknowledged", "owner_id": house.user.pk, "version": 2}


def test_acknowledging_again_changes_nothing(house, flag):
    other = f.staff(house.clinic)
    acknowledge(flag=flag, by=house.user)
    acknowledge(flag=flag, by=other)
    assert (flag.owner, flag.version) == (house.user, 2)


def test_assigning_needs_somebody_who_works_cases(house, flag):
    other = f.staff(house.clinic)
    assign(flag=flag, owner=other, by=house.user)
    assert (flag.owner, flag.version) == (other, 2)
    auditor, stranger = f.staff(house.clinic, Role.AUDITOR), f.staff(House().clinic)
    for nobody in (auditor, stranger):
        refused("not_staff", flag, assign, owner=nobody, by=house.user)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (acknowledge, {}),
        (log_outreach, {"method": "in_person", "result": "reached"}),
        (snooze, {"until": datetime.date(2100, 1, 1), "reason": "On leave"}),
        (resolve, {"outcome": "reached"}),
    ],
)
def test_a_faster_colleague_is_not_overwritten(house, flag, call, arguments):
    Flag.objects.filter(pk=flag.pk).update(version=2)
    refused("stale_version", flag, call, by=house.user, version=1, **arguments)


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (acknowledge, {}),
        (log_outreach, {"method": "in_person", "result": "reached"}),
        (snooze, {"until": datetime.date(2100, 1, 1), "reason": "On leave"}),
        (resolve, {"outcome": "other", "note": "Again"}),
    ],
)
def test_a_closed_case_is_closed(house, flag, call, arguments):
    resolve(flag=flag, outcome="reached", by=house.user)
    refused("case_closed", flag, call, by=house.user, **arguments)


# Outreach


def test_an_attempt_is_kept_and_the_case_is_in_outreach(house, flag):
    allow(flag, phone_is_safe=True)
    attempt = log_outreach(
        flag=flag, method="call", result="no_answer", by=house.user, next_step="Again at noon"
    )
    assert (attempt.episode, attempt.attempted_by) == (flag.episode, house.user)
    assert (attempt.method, attempt.result, attempt.next_step) == (
        "call", "no_answer", "Again at noon",
    )  # fmt: skip
    assert (flag.state, flag.owner, flag.version) == ("in_outreach", house.user, 2)


@pytest.mark.parametrize(
    ("method", "allowed_by"),
    [
        ("call", {"phone_is_safe": True}),
        ("voicemail", {"phone_is_safe": True, "may_leave_voicemail": True}),
        ("text", {"may_text": True}),
        ("emergency_contact", {"emergency_consent": True}),
    ],
)
def test_only_by_channels_the_patient_allowed(house, flag, method, allowed_by):
    how = {"method": method, "result": "no_answer", "by": house.user}
    refusal = refused("method_not_allowed", flag, log_outreach, **how)
    assert refusal.details["allowed"] == ["in_person"]
    allow(flag, **allowed_by)
    assert log_outreach(flag=flag, **how).method == method


def test_a_voicemail_at_an_unsafe_number_is_refused(house, flag):
    allow(flag, may_leave_voicemail=True)
    refused(
        "method_not_allowed", flag, log_outreach, method="voicemail", result="left_message",
        by=house.user,
    )  # fmt: skip


def test_nobody_is_called_after_a_death(house, flag):
    allow(flag, phone_is_safe=True, deceased_on=datetime.date(2026, 3, 1))
    flag.episode.patient.refresh_from_db()
    assert allowed_methods(flag.episode.patient) == []
    refused(
        "method_not_allowed", flag, log_outreach, method="in_person", result="reached",
        by=house.user,
    )  # fmt: skip


def test_an_attempt_lies_in_the_past(house, flag):
    refused(
        "in_future", flag, log_outreach, method="in_person", result="reached", by=house.user,
        attempted_at=timezone.now() + DAY,
    )  # fmt: skip


def test_a_roster_has_no_phone(house):
    roster = case(house.clinic, session=house.day("2026-03-02", []))
    refused("no_patient", roster, log_outreach, method="call", result="reached", by=house.user)


# Snoozing and closing


def test_a_case_sleeps_until_a_later_date(house, flag):
    today = timezone.localdate(timezone=house.clinic.tz)
    refused("not_later", flag, snooze, until=today, reason="On leave", by=house.user)
    refused("reason_required", flag, snooze, until=today + DAY, reason=" ", by=house.user)
    snooze(flag=flag, until=today + DAY, reason="On leave", by=house.user)
    assert (flag.state, flag.snoozed_until, flag.version) == ("snoozed", today + DAY, 2)
    assert not Flag.objects.waiting(today).exists()
    assert Flag.objects.waiting(today + DAY).get() == flag


def test_a_case_is_closed_with_an_outcome(house, flag):
    resolve(flag=flag, outcome="make_up", note="Saturday", by=house.user, version=1)
    assert (flag.state, flag.outcome, flag.outcome_note) == ("closed", "make_up", "Saturday")
    assert (flag.closed_by_facts, flag.closed_at is not None) == (False, True)


@pytest.mark.parametrize("outcome", ["", "facts", "recorded", "nonsense"])
def test_not_without_one_that_a_person_may_choose(house, flag, outcome):
    refused("outcome_required", flag, resolve, outcome=outcome, by=house.user)


def test_other_needs_words(house, flag):
    refused("note_required", flag, resolve, outcome="other", by=house.user)
    assert resolve(flag=flag, outcome="other", note="Moved away", by=house.user).outcome == "other"


def test_a_roster_may_be_closed_as_recorded():
    roster, patient = Flag(rule=AbsenceRule.Kind.UNRECORDED), Flag(rule=AbsenceRule.Kind.HOURS)
    assert Flag.Outcome.RECORDED in outcomes_for(roster)
    assert Flag.Outcome.RECORDED not in outcomes_for(patient)


# Which cases


def test_open_for_a_person_is_theirs_and_their_roles(house):
    coordinator = f.staff(house.clinic)
    now = timezone.now()
    own = case(house.clinic, owner=coordinator)
    role = case(house.clinic, owner_role=Role.COORDINATOR)
    case(house.clinic, owner_role=Role.THERAPIST)
    case(house.clinic, owner_role=Role.COORDINATOR, owner=house.user)
    case(House().clinic, owner_role=Role.COORDINATOR)
    case(house.clinic, owner=coordinator, state="closed", outcome="reached", closed_at=now)
    assert set(Flag.objects.open_for(coordinator)) == {own, role}


def test_a_case_put_off_is_not_overdue(house):
    now = timezone.now()
    late = case(house.clinic, due_at=now - DAY)
    case(house.clinic, due_at=now + DAY)
    case(house.clinic, due_at=now - DAY, state="snoozed", snoozed_until=now.date() + 3 * DAY)
    assert set(Flag.objects.overdue(now)) == {late}
