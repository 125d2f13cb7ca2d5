"""Attendance, cases, rules and discharge at the admin site: as meant, and with a mistake."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine
from django.utils import timezone

from attendance.models import AbsenceRule, AttendanceRecord, Flag
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import GroupMembership, Session
from tests import factories
from tests.admin import Desk, actors, desk, url
from tests.api import Roster, nothing_written, roster

DAY = datetime.date(2026, 3, 2)


@pytest.fixture(autouse=True)
def _monday_at_eleven() -> Iterator[None]:
    """An hour after the session from 9 to 10 in New York."""
    with time_machine.travel(datetime.datetime(2026, 3, 2, 16, 0, tzinfo=datetime.UTC), tick=False):
        yield


@pytest.fixture
def held(db: None) -> Roster:
    return roster(3)


@pytest.fixture
def coordinator(held) -> Desk:
    return desk(held.clinic)


# --- recording -------------------------------------------------------------------------------


def test_everybody_is_recorded_as_present_and_the_roster_signed(held, coordinator):
    answer = coordinator.fill(held.session, "all-present")
    records = AttendanceRecord.objects.all()
    assert [(r.attended, r.credited_minutes, r.source) for r in records] == [
        (True, 60, "admin")
    ] * 3
    assert answer.sentences == ["3 recorded as present. Next: note who came late, then sign."]
    assert coordinator.fill(held.session, "sign").sentences == ["The roster is signed."]
    assert actors(records[0], "I") == actors(held.session) == {coordinator.user.actor}


def test_an_incomplete_roster_is_not_signed(held, coordinator):
    answer = coordinator.fill(held.session, "sign")
    assert answer.refusal == "Record everybody first: 3 still unrecorded."
    held.session.refresh_from_db()
    assert held.session.signed_at is None


def test_one_patient_is_recorded_in_wall_time(held, coordinator):
    booking = held.bookings[0]
    answer = coordinator.fill(booking, "record", attended="present", arrived_at="09:20")
    record = AttendanceRecord.objects.get()
    assert record.arrived_at == factories.at(held.clinic, "2026-03-02", "09:20")
    assert record.credited_minutes == 40
    assert answer.sentences == [f"{booking.patient} is recorded as present: 40 min credited."]
    assert actors(record, "I") == {coordinator.user.actor}


@pytest.mark.parametrize("page", ["record", "correct", "clear"])
def test_a_primary_therapist_writes_nothing_in_a_colleagues_session(held, coordinator, page):
    booking, therapist = held.bookings[0], factories.TherapistFactory(clinic=held.clinic)
    booking.episode.primary_therapist = therapist
    booking.episode.save()
    if page != "record":
        coordinator.fill(booking, "record", attended="present")
    primary = Desk(factories.staff(held.clinic, Role.THERAPIST, therapist=therapist))
    assert primary.open(booking, "change").status_code == 200
    with nothing_written():
        address = url(booking, page)
        answers = [primary.client.get(address), primary.client.post(address, {})]
    assert [answer.status_code for answer in answers] == [403, 403]


def test_a_departure_before_the_arrival_is_refused_at_its_field(held, coordinator):
    answer = coordinator.fill(
        held.bookings[0], "record", attended="present", arrived_at="09:40", left_at="09:20"
    )
    assert answer.errors == {"left_at": ["The departure must be after the arrival."]}
    assert not AttendanceRecord.objects.exists()


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"left_at": "09:00"}, "departure at 9:00 AM EST is not after the start at 9:00 AM EST"),
        ({"arrived_at": "10:00"}, "arrival at 10:00 AM EST is not before the end at 10:00 AM EST"),
    ],
)
def test_a_presence_outside_the_session_is_said_at_once(held, coordinator, told, why):
    booking = held.bookings[0]
    answer = coordinator.fill(booking, "record", attended="present", **told)
    assert answer.sentences == [
        (
            f"{booking.patient} is recorded as present: 0 min credited. "
            f"The {why}: look again if that is not meant."
        )
    ]


def test_the_page_says_whose_attendance_is_recorded(held, coordinator):
    booking = held.bookings[0]
    page = coordinator.open(booking, "record")
    whose = f"{booking.patient}: {held.session.title}, Mon Mar 2, 9:00 AM"
    assert str(page.context["original"]) == whose
    html = page.content.decode()
    assert f"<title> Record attendance: {whose} |" in " ".join(html.split())
    assert f'<p class="clinic-subject">{whose}</p>' in html


def test_time_away_leaves_the_minutes_and_is_shown(held, coordinator):
    booking = held.bookings[0]
    given = {"attended": "present", "away_from": "09:10", "away_to": "09:20"}
    coordinator.fill(booking, "record", **given)
    record = AttendanceRecord.objects.get()
    assert (record.away, record.credited_minutes) == (
        [["2026-03-02T14:10:00+00:00", "2026-03-02T14:20:00+00:00"]],
        50,
    )
    panels = coordinator.open(booking, "change").context["panels_above"]
    ((status, _, _, *minutes, _),) = next(one for one in panels if one.title == "Attendance").rows
    assert (status, *minutes) == ("present", "9:10 AM – 9:20 AM (10 min)", "50 min", "50 min")


@pytest.mark.parametrize(
    ("away", "errors"),
    [
        ({"away_from": "09:10"},
         {"away_to": ["Say both: from when to when the patient was away."]}),
        ({"away_from": "09:20", "away_to": "09:10"},
         {"away_from": ["Times away are pairs in order, one after the other."]}),
    ],
)  # fmt: skip
def test_time_away_that_cannot_be_is_refused_at_its_field(held, coordinator, away, errors):
    answer = coordinator.fill(held.bookings[0], "record", attended="present", **away)
    assert (answer.errors, AttendanceRecord.objects.count()) == (errors, 0)


def test_an_absence_has_no_arrival(held, coordinator):
    answer = coordinator.fill(held.bookings[0], "record", attended="absent", arrived_at="09:10")
    assert answer.errors == {"arrived_at": ["An absent patient has no arrival or departure."]}


def test_nothing_is_recorded_before_the_session(held, coordinator):
    session = factories.session(held.clinic, "2026-03-03", "09:00", "10:00")
    booking = factories.booking(session, held.bookings[0].episode)
    answer = coordinator.fill(booking, "record", attended="present")
    assert answer.refusal == "The session has not begun. Record it once it has."
    assert not AttendanceRecord.objects.exists()


# --- correcting ------------------------------------------------------------------------------


@pytest.fixture
def present(held, coordinator) -> AttendanceRecord:
    coordinator.fill(held.bookings[0], "record", attended="present")
    return AttendanceRecord.objects.get()


def test_a_correction_changes_the_minutes_and_keeps_the_history(held, coordinator, present):
    answer = coordinator.fill(
        held.bookings[0], "correct", arrived_at="09:30", correction_reason="sign-in sheet"
    )
    present.refresh_from_db()
    assert (present.credited_minutes, present.version) == (30, 2)
    assert answer.status == 302
    assert actors(present) == {coordinator.user.actor}
    html = coordinator.open(held.bookings[0], "change").content.decode()
    assert "sign-in sheet" in html
    assert "arrived at: empty → 9:30 AM EST" in html


def test_the_history_tells_zero_minutes_and_times_away_as_such(held, coordinator, present):
    away = [["2026-03-02T14:10:00+00:00", "2026-03-02T14:20:00+00:00"]]
    AttendanceRecord.objects.update(away=away)
    coordinator.fill(held.bookings[0], "correct", attended="absent", correction_reason="slip")
    html = coordinator.open(held.bookings[0], "change").content.decode()
    assert "away: empty → 9:10 AM EST to 9:20 AM EST" in html
    assert "credited minutes: 60 → 0" in html
    assert "empty → empty" not in html


def test_a_time_away_is_corrected(held, coordinator, present):
    booking = held.bookings[0]
    assert coordinator.fill(booking, "correct", away_from="09:10", away_to="09:20").status == 302
    coordinator.fill(booking, "correct", away_to="09:30", correction_reason="sign-in sheet")
    present.refresh_from_db()
    assert (present.credited_minutes, present.version) == (40, 3)
    coordinator.fill(booking, "correct", away_from="", away_to="", correction_reason="mistake")
    present.refresh_from_db()
    assert (present.away, present.credited_minutes) == ([], 60)


def test_several_times_away_stay_as_they_are_stored(held, coordinator, present):
    away = [[f"2026-03-02T14:{n}0:00+00:00", f"2026-03-02T14:{n}5:00+00:00"] for n in (1, 3)]
    AttendanceRecord.objects.update(away=away)
    form = coordinator.open(held.bookings[0], "correct").context["form"]
    assert form.fields["left_at"].help_text == (
        "Empty: to the end. Away, as it stays: 9:10 AM – 9:15 AM (5 min), "
        "9:30 AM – 9:35 AM (5 min)."
    )
    coordinator.fill(held.bookings[0], "correct", left_at="09:45")
    present.refresh_from_db()
    assert (present.away, present.credited_minutes) == (away, 35)


def test_a_changed_value_needs_a_reason(held, coordinator, present):
    answer = coordinator.fill(held.bookings[0], "correct", attended="absent")
    assert answer.errors == {"correction_reason": ["Say why a recorded value is changed."]}
    present.refresh_from_db()
    assert (present.attended, present.version) == (True, 1)


def test_a_departure_is_filled_in_later_without_a_reason(held, coordinator, present):
    assert coordinator.fill(held.bookings[0], "correct", left_at="09:45").status == 302
    present.refresh_from_db()
    assert (present.credited_minutes, present.version) == (45, 2)


def test_a_correction_from_an_old_page_names_who_was_faster(held, coordinator, present):
    other = desk(held.clinic)
    other.fill(held.bookings[0], "correct", left_at="09:45")
    answer = coordinator.fill(
        held.bookings[0], "correct", version=1, attended="absent", left_at="",
        correction_reason="slip",
    )  # fmt: skip
    assert answer.refusal.startswith(f"{other.user} changed")
    assert 'name="version" value="2"' in answer.html
    present.refresh_from_db()
    assert (present.attended, present.version) == (True, 2)


def test_a_record_is_taken_back_to_unrecorded_with_a_reason_only(held, coordinator, present):
    answer = coordinator.fill(held.bookings[0], "clear")
    assert answer.errors == {"correction_reason": ["Say why a recorded value is changed."]}
    answer = coordinator.fill(held.bookings[0], "clear", correction_reason="wrong patient")
    assert answer.sentences[0].endswith("is unrecorded again. Next: record what happened.")
    assert not AttendanceRecord.objects.exists()
    assert actors(present, "D") == {coordinator.user.actor}


def test_the_front_desk_does_not_record(held):
    front = desk(held.clinic, Role.FRONT_DESK)
    assert front.open(held.bookings[0], "record").status_code == 403
    assert not AttendanceRecord.objects.exists()


def test_the_roster_page_shows_the_status_and_is_noted_as_read(held, coordinator, present):
    html = coordinator.open(held.session, "change").content.decode()
    assert str(held.bookings[1].patient) in html
    assert "unrecorded" in html
    assert actors(held.session, "R") == {coordinator.user.actor}


# --- discharge -------------------------------------------------------------------------------


def test_a_discharge_ends_plan_seat_and_bookings(held, coordinator):
    episode = held.bookings[0].episode
    group = factories.GroupFactory(clinic=held.clinic, program=episode.program)
    GroupMembership.objects.create(
        clinic=held.clinic, group=group, episode=episode, seat=1, starts_on=DAY
    )
    given = {"discharged_on": DAY, "reason": "completed", "note": "well done"}
    answer = coordinator.save(coordinator.look(episode, "discharge", **given))
    episode.refresh_from_db()
    assert (episode.state, episode.discharge_reason) == ("discharged", "completed")
    assert episode.memberships.get().ends_on == episode.plans.get().ends_on == DAY
    assert actors(episode) == {coordinator.user.actor}
    assert answer.sentences[0].startswith(f"{episode.patient} is discharged on Mon Mar 2.")


def test_a_discharge_shows_what_it_would_end_on_its_day(held, coordinator):
    episode = held.bookings[0].episode
    group = factories.GroupFactory(clinic=held.clinic, program=episode.program)
    GroupMembership.objects.create(
        clinic=held.clinic, group=group, episode=episode, seat=1, starts_on=DAY
    )
    later = factories.session(held.clinic, "2026-03-04", "09:00", "10:00")
    factories.booking(later, episode)
    before = AuditEvent.objects.exclude(operation="R").count()
    ahead = coordinator.look(episode, "discharge", discharged_on=DAY, reason="completed")
    assert [panel.title for panel in ahead.panels] == ["Seats given up", "1 booking is withdrawn"]
    assert str(group) in ahead.panels[0].rows[0][0]
    assert AuditEvent.objects.exclude(operation="R").count() == before


def test_a_discharge_also_shows_what_is_withdrawn_before_today(held, time_machine):
    episode = held.bookings[0].episode
    missed = factories.session(held.clinic, "2026-03-04", "09:00", "10:00")
    factories.booking(missed, episode)
    time_machine.move_to("2026-03-06T12:00:00-05:00", tick=False)
    given = {"discharged_on": DAY, "reason": "completed"}
    (panel,) = desk(held.clinic).look(episode, "discharge", **given).panels
    assert panel.title == "1 booking is withdrawn"


def test_who_is_discharged_is_not_asked_for_a_day(held, coordinator):
    episode = held.bookings[0].episode
    Episode.objects.filter(pk=episode.pk).update(
        state="discharged", discharged_on=DAY, discharge_reason="completed"
    )
    html = coordinator.open(episode, "discharge").content.decode()
    assert "The patient is discharged already." in html
    assert "Discharge the patient" not in html
    assert "Back to the episode" in html


def test_a_discharge_in_the_future_is_refused(held, coordinator):
    episode = held.bookings[0].episode
    answer = coordinator.fill(episode, "discharge", discharged_on="2026-03-03", reason="completed")
    assert answer.errors == {
        "discharged_on": ["This lies in the future. Enter a discharge on its day."]
    }
    episode.refresh_from_db()
    assert episode.state == "admitted"


def test_a_discharge_needs_a_reason(held, coordinator):
    answer = coordinator.fill(held.bookings[0].episode, "discharge", discharged_on=DAY)
    assert list(answer.errors) == ["reason"]


def test_the_roster_of_a_cancelled_session_asks_for_nothing(held, coordinator):
    Session.objects.update(state="cancelled", cancelled_reason="Snow", cancelled_at=timezone.now())
    html = coordinator.open(held.session, "change").content.decode()
    assert "Cancelled: Snow. There is nothing to record. It counts for nobody" in html
    assert str(held.bookings[0].patient) in html
    assert "to record, correct, release or withdraw" not in html
    assert "unrecorded" not in html


# --- cases -----------------------------------------------------------------------------------


@pytest.fixture
def case(held) -> Flag:
    episode = held.bookings[0].episode
    return Flag.objects.create(
        clinic=held.clinic, rule=AbsenceRule.Kind.NO_CALL_DAY, subject_type=1, episode=episode,
        subject_id=episode.pk, evidence_key=DAY.isoformat(), severity=3, owner_role="coordinator",
        sentence="Missed Monday without a call.", opened_for=DAY, due_at=timezone.now(),
    )  # fmt: skip


def test_the_way_out_of_a_case_is_not_named_like_closing_it(case, coordinator):
    html = coordinator.open(case, "change").content.decode()
    foot = html.split('id="submit-row"')[1]
    assert f'href="{url(Flag)}"' in foot
    assert "Back to the list" in foot
    assert "Close" not in foot


def test_a_page_with_something_to_save_has_no_way_out_but_saving(held, coordinator):
    foot = coordinator.open(held.bookings[0].episode, "change").content.decode()
    foot = foot.split('id="submit-row"')[1]
    assert 'name="_save"' in foot
    assert "Back to the list" not in foot


def test_a_case_is_taken_on_worked_and_closed(coordinator, case):
    coordinator.fill(case, "acknowledge")
    coordinator.fill(case, "outreach", method="in_person", result="reached")
    answer = coordinator.fill(case, "resolve", outcome="reached")
    case.refresh_from_db()
    assert (case.state, case.owner, case.outcome) == ("closed", coordinator.user, "reached")
    assert answer.sentences == ["The case is closed: Reached, coming back."]
    assert actors(case) == actors(case.outreach.get(), "I") == {coordinator.user.actor}


def test_a_case_is_not_closed_without_an_outcome(coordinator, case):
    answer = coordinator.fill(case, "resolve")
    assert answer.errors == {"outcome": ["Choose what came of the case."]}
    case.refresh_from_db()
    assert (case.state, case.version) == ("open", 1)


def test_a_channel_the_patient_did_not_allow_is_refused(coordinator, case):
    answer = coordinator.fill(case, "outreach", method="text", result="reached")
    assert answer.errors == {
        "method": ["The patient did not allow this: text message. Choose another way."]
    }
    assert not case.outreach.exists()


def test_a_case_is_handed_over_to_somebody_who_works_cases(coordinator, case, held):
    answer = coordinator.fill(case, "assign", owner=held.user)
    assert answer.sentences == [f"The case is {held.user}'s now."]
    front = factories.staff(held.clinic, Role.FRONT_DESK)
    answer = coordinator.fill(case, "assign", owner=front)
    assert list(answer.errors) == ["owner"]
    case.refresh_from_db()
    assert case.owner == held.user


def test_a_case_waits_until_a_later_day_with_a_reason(coordinator, case):
    answer = coordinator.fill(case, "snooze", until=DAY, reason="court")
    assert answer.errors == {"until": ["Choose a day after today."]}
    coordinator.fill(case, "snooze", until="2026-03-04", reason="in court until then")
    case.refresh_from_db()
    assert (case.state, case.snoozed_until) == ("snoozed", datetime.date(2026, 3, 4))


def test_a_case_that_a_colleague_closed_is_not_closed_again(coordinator, case, held):
    desk(held.clinic).fill(case, "resolve", outcome="reached")
    answer = coordinator.fill(case, "resolve", version=1, outcome="make_up")
    assert "changed State: Open → Closed" in answer.refusal
    case.refresh_from_db()
    assert case.outcome == "reached"


def test_the_queue_shows_open_cases_first_and_closed_ones_on_request(coordinator, case):
    coordinator.fill(case, "resolve", outcome="reached")
    assert case.sentence not in coordinator.open(Flag).content.decode()
    assert case.sentence in coordinator.open(Flag, case="settled").content.decode()


def test_the_mails_link_to_a_severity_shows_its_open_cases(coordinator, case):
    assert case.sentence in coordinator.open(Flag, severity__exact=3).content.decode()
    assert case.sentence not in coordinator.open(Flag, severity__exact=4).content.decode()
