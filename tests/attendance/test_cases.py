"""Working cases: verbs, versions, and the channels a patient allowed."""

import datetime
from typing import Any

import pytest
from django.utils import timezone

from attendance.compliance.cases import (
    acknowledge,
    assign,
    log_outreach,
    outcomes_for,
    resolve,
    snooze,
)
from attendance.compliance.outreach import allowed_methods
from attendance.models import AbsenceRule, Flag, OutreachAttempt
from attendance.reports.casework import cases
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from patients.models import Episode, Patient
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
    refusal = refused("channel_not_allowed", flag, log_outreach, **how)
    assert refusal.details["allowed"] == ["in_person"]
    allow(flag, **allowed_by)
    assert log_outreach(flag=flag, **how).method == method


def test_a_voicemail_at_an_unsafe_number_is_refused(house, flag):
    allow(flag, may_leave_voicemail=True)
    refused(
        "channel_not_allowed", flag, log_outreach, method="voicemail", result="left_message",
        by=house.user,
    )  # fmt: skip


def test_nobody_is_called_after_a_death(house, flag):
    allow(flag, phone_is_safe=True, deceased_on=datetime.date(2026, 3, 1))
    flag.episode.patient.refresh_from_db()
    assert allowed_methods(flag.episode.patient, datetime.date(2026, 3, 2)) == []
    refused(
        "channel_not_allowed", flag, log_outreach, method="in_person", result="reached",
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
    resolve(flag=flag, outcome="excused", note="In hospital", by=house.user, version=1)
    assert (flag.state, flag.outcome, flag.outcome_note) == ("closed", "excused", "In hospital")
    assert (flag.closed_by_facts, flag.closed_at is not None) == (False, True)


@pytest.mark.parametrize("outcome", ["", "facts", "recorded", "nonsense"])
def test_not_without_one_that_a_person_may_choose(house, flag, outcome):
    refused("outcome_required", flag, resolve, outcome=outcome, by=house.user)


@pytest.mark.parametrize("state", ["admitted", "discharged"])
def test_a_discharge_is_entered_and_not_chosen(house, flag, state):
    ended = {"discharged_on": "2026-03-02", "discharge_reason": "aca"}
    facts = ended if state == "discharged" else {}
    Episode.objects.filter(pk=flag.episode_id).update(state=state, **facts)
    refusal = refused("outcome_required", flag, resolve, outcome="discharged", by=house.user)
    assert (refusal.field, refusal.message) == (
        "outcome", "A discharge closes the patient's cases by itself: enter the discharge.",
    )  # fmt: skip
    assert Flag.Outcome.DISCHARGED not in outcomes_for(flag)


@pytest.mark.parametrize(
    ("rule", "subject", "offered"),
    [
        (2, "EPISODE", ["reached", "make_up", "excused", "plan_changed", "not_reached", "other"]),
        (16, "EPISODE", ["reached", "make_up", "excused", "plan_changed", "not_reached", "other"]),
        (19, "EPISODE", ["plan_changed", "other"]),
        (5, "SESSION", ["other"]),
        (23, "GROUP", ["other"]),
    ],
    ids=["no call", "no first session", "authorization", "roster", "group"],
)
def test_what_came_of_a_case_fits_its_kind(rule, subject, offered):
    flag = Flag(rule=rule, subject_type=Flag.Subject[subject])
    assert [one.value for one in outcomes_for(flag)] == offered


def test_other_needs_words(house, flag):
    refused("note_required", flag, resolve, outcome="other", by=house.user)
    assert resolve(flag=flag, outcome="other", note="Moved away", by=house.user).outcome == "other"


# Which cases


def test_what_is_a_persons_and_what_waits_for_their_role(house):
    coordinator = f.staff(house.clinic)
    now = timezone.now()
    own = case(house.clinic, owner=coordinator)
    role = case(house.clinic, owner_role=Role.COORDINATOR)
    case(house.clinic, owner_role=Role.THERAPIST)
    case(house.clinic, owner_role=Role.COORDINATOR, owner=house.user)
    case(House().clinic, owner_role=Role.COORDINATOR)
    case(house.clinic, owner=coordinator, state="closed", outcome="reached", closed_at=now)
    assert Flag.objects.open().owned_by(coordinator).get() == own
    assert Flag.objects.waiting_for_role_of(coordinator).get() == role


def test_a_case_put_off_is_not_overdue(house):
    now = timezone.now()
    late = case(house.clinic, due_at=now - DAY)
    case(house.clinic, due_at=now + DAY)
    case(house.clinic, due_at=now - DAY, state="snoozed", snoozed_until=now.date() + 3 * DAY)
    assert set(Flag.objects.overdue(now)) == {late}


def test_a_hold_takes_the_patients_cases_off_the_list_and_the_return_brings_them_back(house):
    pat = house.patient()
    late = timezone.now() - DAY
    held = case(house.clinic, episode=pat, due_at=late)
    roster = case(house.clinic, session=house.day("2026-03-02", [pat]), due_at=late)
    Episode.objects.filter(pk=pat.pk).update(state="on_hold")
    assert shown(house) == (({roster}, {roster}), [False, True])
    Episode.objects.filter(pk=pat.pk).update(state="admitted")
    assert shown(house) == (({held, roster}, {held, roster}), [True, True])


def shown(house):
    """What waits and what is overdue; and what a report calls overdue."""
    now = timezone.now()
    rows = Flag.objects.order_by("pk")
    told = [one.is_overdue(now) for one in cases(rows, house.clinic.pk, now.date())]
    return (set(rows.waiting(now.date())), set(rows.overdue(now))), told


@pytest.mark.parametrize("rule", [AbsenceRule.Kind.LICENSE_ENDING, AbsenceRule.Kind.CASELOAD])
def test_nobody_settles_the_case_about_themselves(house, rule):
    own = case(house.clinic, therapist=house.therapist, rule=rule)
    tomorrow = timezone.localdate(timezone=house.clinic.tz) + DAY
    done: dict[str, Any] = {"outcome": "other", "note": "Renewed"}
    refused("not_yours", own, snooze, until=tomorrow, reason="Busy", by=house.user)
    refused("not_yours", own, resolve, by=house.user, **done)
    colleague = f.staff(house.clinic, Role.THERAPIST)
    assert snooze(flag=own, until=tomorrow, reason="Busy", by=colleague).state == "snoozed"
    assert resolve(flag=own, by=colleague, **done).state == "closed"


# Welfare checks, and what was tried


def test_a_welfare_check_is_decided_with_a_reason_before_it_is_made(house, flag):
    check = {"method": "welfare_check", "by": house.user}
    refused("note_required", flag, log_outreach, result="requested", note=" ", **check)
    refused("not_decided", flag, log_outreach, result="reached", **check)
    refused("not_possible", flag, log_outreach, result="left_message", **check)
    decided = log_outreach(flag=flag, result="requested", note="Silent for six days", **check)
    assert (decided.method, decided.note, flag.state) == (
        "welfare_check", "Silent for six days", "in_outreach",
    )  # fmt: skip
    assert log_outreach(flag=flag, result="reached", **check).result == "reached"


@pytest.mark.parametrize("result", ["requested", "not_needed", "telepathy"])
def test_a_decision_is_no_result_of_a_visit(house, flag, result):
    how = {"method": "in_person", "note": "x", "by": house.user}
    assert refused("not_possible", flag, log_outreach, result=result, **how).field == "result"


def test_no_welfare_check_after_a_death(house, flag):
    allow(flag, deceased_on=datetime.date(2026, 3, 1))
    check = {"method": "welfare_check", "result": "requested", "note": "x"}
    refused("channel_not_allowed", flag, log_outreach, by=house.user, **check)


@pytest.mark.parametrize(("born", "allowed"), [("2010-01-01", True), ("1990-01-01", False)])
def test_the_guardian_of_a_minor_only(house, flag, born, allowed):
    allow(flag, guardian_phone="555 0101", birth_date=born)
    how = {"method": "guardian", "result": "reached", "by": house.user}
    if allowed:
        assert log_outreach(flag=flag, **how).method == "guardian"
    else:
        refused("channel_not_allowed", flag, log_outreach, **how)


def test_an_attempt_long_before_its_case_is_a_mistake(house, flag):
    how = {"method": "in_person", "result": "reached", "by": house.user}
    limit = flag.opened_at - 31 * DAY
    early = {"attempted_at": limit - DAY / 24, **how}
    assert refused("too_long_ago", flag, log_outreach, **early).field == "attempted_at"
    assert log_outreach(flag=flag, attempted_at=limit, **how).attempted_at == limit


def test_taking_a_colleagues_case_on_makes_it_yours(house, flag):
    Flag.objects.filter(pk=flag.pk).update(owner=f.staff(house.clinic))
    acknowledge(flag=flag, by=house.user)
    assert (flag.owner, flag.state) == (house.user, "acknowledged")


def test_facts_do_not_reopen_what_a_person_closed(house):
    pat = house.patient()
    house.day("2026-03-02", [pat])
    house.missed(pat, "2026-03-02")
    house.night(datetime.date(2026, 3, 2))
    [flag] = house.flags(AbsenceRule.Kind.NO_CALL_DAY)
    resolve(flag=flag, outcome="excused", by=house.user)
    house.came(pat, "2026-03-02")
    house.night(datetime.date(2026, 3, 3))
    house.missed(pat, "2026-03-02")
    house.night(datetime.date(2026, 3, 4))
    flag.refresh_from_db()
    assert (flag.state, flag.outcome, flag.closed_by_facts) == ("closed", "excused", False)
