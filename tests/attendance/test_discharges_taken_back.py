"""A discharge entered by mistake, taken back: what comes back, what is left to a person."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from attendance.discharges_taken_back import TakenBack, take_back_discharge
from attendance.episodes import discharge, hold
from attendance.models import WeekResult
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from patients.models import Episode, KeepApart, Patient, TreatmentPlan
from scheduling.models import Booking, GroupMembership, Session, WaitlistEntry
from scheduling.services import add_closure
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.attendance.house import FRI, MON, SAT, THU, WED
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db
NEXT = FRI + datetime.timedelta(days=7)


@pytest.fixture
def left(week: ShortWeek) -> ShortWeek:
    """Discharged on Thursday, last day Wednesday; Friday's booking was a member's."""
    seat = GroupMembership.objects.get()
    Booking.objects.filter(episode=week.patient).update(membership=seat)
    leave(week)
    return week


def leave(week: ShortWeek, reason: str = "completed") -> None:
    discharge(episode=week.patient, discharged_on=WED, reason=reason, by=week.by)


def back(week: ShortWeek, reason: str = "Wrong patient") -> TakenBack:
    return take_back_discharge(episode=week.patient, reason=reason, by=week.by)


def refusal(week: ShortWeek, **given: Any) -> Refused:
    before = AuditEvent.objects.count()
    with pytest.raises(Refused) as caught:
        back(week, **given)
    assert AuditEvent.objects.count() == before
    return caught.value


def test_the_patient_is_in_treatment_as_before(left):
    done = back(left)
    row = Episode.objects.get(pk=left.patient.pk)
    assert (row.state, row.discharged_on, row.discharge_reason) == ("admitted", None, "")
    assert row.discharge_note == "Discharge of Mar 4, 2026 taken back: Wrong patient"
    assert TreatmentPlan.objects.get(episode=row).ends_on is None
    assert GroupMembership.objects.get(episode=row).ends_on is None
    assert (left.friday.state, done.seats.booked, done.to_do) == ("booked", 1, ())


def test_its_cases_are_open_as_they_were(week):
    before = [(one.pk, one.state, one.sentence) for one in week.patient.flags.order_by("pk")]
    leave(week)
    assert not week.patient.flags.open().exists()
    back(week)
    after = [(one.pk, one.state, one.sentence) for one in week.patient.flags.order_by("pk")]
    assert after == before


def test_a_seat_that_somebody_else_has_is_named_with_a_free_one(left):
    GroupMembership.objects.create(
        clinic=left.clinic, group=left.house.group, episode=left.other(), seat=1, starts_on=THU
    )
    done = back(left)
    assert done.to_do == (f"Enrol the patient again in {left.house.group}: seat 2 is free.",)
    assert (GroupMembership.objects.get(episode=left.patient).ends_on, done.seats.booked) == (
        WED,
        0,
    )
    assert left.friday.state == "withdrawn"


def keep_apart(week: ShortWeek, other: Episode) -> None:
    low, high = sorted([week.patient.patient_id, other.patient_id])
    KeepApart.objects.create(clinic=week.clinic, patient_id=low, other_id=high, reason="Assault")


def test_a_group_that_has_taken_whom_the_patient_is_kept_apart_from_is_left(left):
    other = left.other()
    keep_apart(left, other)
    GroupMembership.objects.create(
        clinic=left.clinic, group=left.house.group, episode=other, seat=2, starts_on=THU
    )
    said = f"No seat in {left.house.group}: The patient cannot be seated here. Ask the coordinator."
    assert back(left).to_do == (said,)
    assert GroupMembership.objects.get(episode=left.patient).ends_on == WED
    assert left.friday.state == "withdrawn"


def test_a_day_with_a_guest_whom_the_patient_is_kept_apart_from_is_left_out(week):
    """The booking was a guest's too: no seat in a group stands behind it."""
    leave(week)
    other = week.other()
    f.booking(week.friday.session, other, 2)
    keep_apart(week, other)
    GroupMembership.objects.all().delete()
    assert back(week).seats.not_booked == (FRI,)
    assert week.friday.state == "withdrawn"


def test_a_day_without_a_place_is_named(left):
    session = left.friday.session
    Session.objects.filter(pk=session.pk).update(capacity=1)
    f.booking(session, left.other())
    assert back(left).seats.not_booked == (FRI,)
    assert left.friday.state == "withdrawn"


def test_what_was_to_begin_later_is_entered_again_by_a_person(week):
    TreatmentPlan.objects.filter(episode=week.patient).update(ends_on=THU)
    TreatmentPlan.objects.create(
        clinic=week.clinic, episode=week.patient, weekly_minutes_target=600, starts_on=FRI
    )
    leave(week)
    assert back(week).to_do == ("Enter the treatment plan from Mar 6, 2026 on again.",)
    assert TreatmentPlan.objects.get(episode=week.patient).ends_on == THU


def test_a_session_of_this_patient_alone_takes_place_again(week):
    alone = week.session(SAT, group=None)
    f.booking(alone, week.patient)
    leave(week)
    assert back(week).cancelled == ()
    alone.refresh_from_db()
    assert (alone.state, Booking.objects.get(session=alone).state) == ("scheduled", "booked")


def test_one_on_a_day_that_was_closed_meanwhile_is_led_to(week):
    alone = week.session(SAT, group=None)
    f.booking(alone, week.patient)
    leave(week)
    add_closure(clinic=week.clinic, starts_on=SAT, ends_on=SAT, reason="Snow", by=week.by)
    (said,) = Desk(week.by).fill(week.patient, "take-discharge-back", reason="x").sentences
    assert "Still cancelled, for the leader, the room or the day is taken: <a href=" in said
    assert url(alone, "revive") in said
    alone.refresh_from_db()
    assert alone.state == "cancelled"


def test_of_two_own_weekly_blocks_each_has_its_last_date_again(week):
    given = {"group": None, "clinic": week.clinic, "episode": week.patient, "weekday": 4}
    first = f.WeeklyBlockFactory(**given, valid_until=NEXT)
    later = f.WeeklyBlockFactory(**given, valid_from=NEXT, starts_at=datetime.time(8),
                                 ends_at=datetime.time(9))  # fmt: skip
    week.session(NEXT, "18:00", group=None, block=later, original_local_date=NEXT)
    leave(week)
    assert back(week).to_do == ()
    ends = week.patient.blocks.order_by("pk").values_list("pk", "valid_until")
    assert list(ends) == [(first.pk, NEXT), (later.pk, None)]


def test_an_own_weekly_block_that_was_to_begin_later_is_entered_again_by_a_person(week):
    f.WeeklyBlockFactory(group=None, clinic=week.clinic, episode=week.patient, valid_from=NEXT)
    leave(week)
    assert back(week).to_do == ("Enter the patient's own weekly block from Mar 13, 2026 on again.",)


def test_a_hold_in_force_is_one_again(week):
    hold(episode=week.patient, starts_on=THU, ends_on=NEXT, reason="hospital", by=week.by)
    discharge(episode=week.patient, discharged_on=THU, reason="aca", by=week.by)
    back(week)
    row = Episode.objects.get(pk=week.patient.pk)
    assert (row.state, row.holds.get().ends_on, week.friday.state) == ("on_hold", NEXT, "withdrawn")


def test_who_was_taken_for_dead_is_alive_and_waits_again(week):
    group = f.GroupFactory(clinic=week.clinic)
    entry = WaitlistEntry.objects.create(
        clinic=week.clinic, group=group, episode=week.patient, added_at=week.now, state="offered"
    )
    entry.offers.create(
        clinic=week.clinic, starts_on=NEXT, made_at=week.now, made_by=week.by,
        expires_at=week.now + datetime.timedelta(days=1),
    )  # fmt: skip
    leave(week, "deceased")
    back(week)
    entry.refresh_from_db()
    assert Patient.objects.get(pk=week.patient.patient_id).deceased_on is None
    assert (entry.state, entry.left_reason) == ("waiting", "")


def test_another_episode_on_these_dates_stands_in_the_way(left):
    f.admitted(left.clinic, on=FRI, patient=left.patient.patient, program=left.patient.program)
    refused = refusal(left)
    assert (refused.code, refused.message) == (
        "episode_overlap", "The patient has another episode on these dates.",
    )  # fmt: skip


def test_only_a_discharge_is_taken_back_and_with_a_reason(week):
    assert refusal(week).code == "not_discharged"
    assert refusal(week, reason=" ").code == "reason_required"


def spans(week: ShortWeek) -> set[tuple[datetime.date, datetime.date]]:
    rows = WeekResult.objects.filter(episode=week.patient).standing()
    return set(rows.values_list("segment_starts_on", "segment_ends_on"))


def test_weeks_are_judged_again_as_if_it_had_not_been(left, time_machine):
    sunday = MON + datetime.timedelta(days=6)
    left.house.night(sunday)
    assert spans(left) == {(MON, WED)}
    time_machine.move_to(left.house.morning(sunday), tick=False)
    back(left)
    assert spans(left) == {(MON, sunday)}


# --- the page -----------------------------------------------------------------------------------


def test_the_page_says_what_stands_again(left):
    at = Desk(left.by)
    assert at.fill(left.patient, "take-discharge-back", reason="Wrong patient").sentences == [
        f"The discharge of {left.patient.patient} is taken back. 1 booking stands again."
    ]
    html = at.open(left.patient, "change").content.decode()
    assert url(left.patient, "take-discharge-back") not in html


def test_who_may_not_discharge_takes_none_back(left):
    at = desk(left.clinic, Role.FRONT_DESK)
    before = AuditEvent.objects.exclude(operation="R").count()
    assert at.send(url(left.patient, "take-discharge-back"), {"reason": "x"}).status == 403
    assert AuditEvent.objects.exclude(operation="R").count() == before
