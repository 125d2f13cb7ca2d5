"""From the referral to the morning mail and back: one patient's first weeks, on real parts only.

PostgreSQL, a worker process, web processes and a mail server, all with the real clock; only the
papers of the first day are entered on a day gone by.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection

from attendance.models import AbsenceRule, AttendanceRecord, Flag, NightlyRun, WeekResult
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.roles import Role
from patients.models import Episode, TreatmentPlan
from patients.services import admit
from scheduling.models import Booking, GroupMembership, Session
from scheduling.services import enrol
from tests.attendance.nights import blocked, until
from tests.journeys.story import API, BEN, MAYA, STAFF, TRACES, Story, days_of
from tests.web import Answer, Caller

pytestmark = pytest.mark.django_db(transaction=True)

Kind = AbsenceRule.Kind


@pytest.fixture
def story(web: Any, celery_worker_process: Any, smtp_sink: Any) -> Story:
    """The clinic is open and its staff have come in."""
    return Story(web, smtp_sink)


@dataclass
class Weeks:
    """Maya and Ben sit in the group; nothing is recorded yet."""

    story: Story
    maya: Episode
    ben: Episode

    @property
    def path(self) -> str:
        return f"{API}/patients/{self.maya.patient.public_id}/weeks/"

    def shown(self, caller: Caller) -> list[dict[str, Any]]:
        """Both weeks as the patient's page shows them."""
        span = f"?from={self.story.first_week}&to={self.story.yesterday}"
        return caller.get(self.path + span)["results"]

    def flag(self, rule: int) -> Flag:
        return Flag.objects.get(episode=self.maya, rule=rule)

    def results(self) -> list[tuple[int, str, str, int]]:
        """What is stored of the second week: amendment, minutes, days, credited."""
        rows = WeekResult.objects.filter(
            episode=self.maya, week_starts_on=self.story.second_week
        ).order_by("amendment")
        return list(
            rows.values_list("amendment", "minutes_status", "days_status", "credited_minutes")
        )


@pytest.fixture
def weeks(story: Story) -> Weeks:
    with story.on_the_first_day():
        maya, ben = story.take_in(MAYA), story.take_in(BEN)
        story.expand()
    return Weeks(story, maya, ben)


@pytest.fixture
def judged(weeks: Weeks) -> Weeks:
    """Both weeks recorded by the therapist, Maya away yesterday, and the night after it."""
    story = weeks.story
    therapist = story.caller(Role.THERAPIST)
    days = days_of(story.first_week) + days_of(story.second_week)
    for day in days[:-1]:
        story.record(therapist, day)
    story.record(therapist, days[-1], weeks.maya)
    story.night()
    return weeks


# --- coming in -----------------------------------------------------------------------------------


def test_staff_come_in_by_the_link_in_their_mail(story: Story) -> None:
    for role in STAFF.values():
        me = story.caller(role).get(f"{API}/me/")
        assert [(clinic["name"], clinic["role"]) for clinic in me["clinics"]] == [("Harbor", role)]


def test_papers_come_before_the_admission_and_the_admission_before_the_seat(story: Story) -> None:
    by, day = story.coordinator, story.first_week
    with story.on_the_first_day():
        maya = story.refer(MAYA)
        assert refused(lambda: admit(episode=maya, admitted_on=day, by=by)) == (
            "admission_incomplete"
        )
        story.document(maya)
        seat: dict[str, Any] = {"group": story.group, "episode": maya, "starts_on": day, "by": by}
        assert refused(lambda: enrol(**seat)) == "not_active"
        admit(episode=maya, admitted_on=day, by=by)
        assert refused(lambda: enrol(**seat)) == "not_suitable"
        assert refused(lambda: story.plan(maya, minutes=500)) == "target_outside_level"
        story.plan(maya)
        enrol(**seat)
    assert GroupMembership.objects.get().seat == TreatmentPlan.objects.count() == 1


def refused(step: Any) -> str:
    with pytest.raises(Refused) as refusal:
        step()
    return refusal.value.code


def test_the_timetable_becomes_sessions_with_everybody_booked(weeks: Weeks) -> None:
    first = Session.objects.filter(local_date__lt=weeks.story.second_week).order_by("starts_at")
    assert [session.local_date for session in first] == days_of(weeks.story.first_week)
    for episode in (weeks.maya, weeks.ben):
        assert Booking.objects.filter(episode=episode).count() == Session.objects.count()
    with weeks.story.on_the_first_day():
        assert weeks.story.expand() == 0


# --- a day at the clinic -------------------------------------------------------------------------


def test_a_roster_sent_from_a_tablet_is_the_day_and_the_week_at_once(weeks: Weeks) -> None:
    story = weeks.story
    therapist, day = story.caller(Role.THERAPIST), days_of(story.second_week)[0]
    [_, before] = weeks.shown(therapist)
    saved = story.record(therapist, day).body["saved"]
    assert [row["credited_minutes"] for row in saved] == [180, 180]
    [_, after] = weeks.shown(therapist)
    figures = ("credited", "at_least", "at_most", "days")
    assert [before[name] for name in figures] == [0, 0, 540, 0]
    assert [after[name] for name in figures] == [180, 180, 540, 1]
    [row, _] = therapist.get(f"{API}/sessions/{story.session(day).public_id}/")["roster"]
    assert (row["week"]["day_credited"], row["week"]["minutes_to_go"]) == (180, 360)


def test_every_minute_has_its_line(weeks: Weeks) -> None:
    story = weeks.story
    therapist, days = story.caller(Role.THERAPIST), days_of(story.second_week)
    story.record(therapist, days[0])
    story.record(therapist, days[1], weeks.maya)
    lines = therapist.get(f"{weeks.path}{story.second_week}/minutes/")["results"]
    assert [(line["local_date"], line["status"], line["credited"]) for line in lines] == [
        (str(days[0]), "present", 180),
        (str(days[1]), "no_show", 0),
        (str(days[2]), "unrecorded", 0),
    ]
    assert {line["recorded_by"] for line in lines[:2]} == {"Therapist"}


# --- the night -----------------------------------------------------------------------------------


def test_the_night_opens_the_call_and_the_hours_case(judged: Weeks) -> None:
    story = judged.story
    run = NightlyRun.objects.get(clinic=story.clinic)
    assert (run.local_date, run.state) == (story.yesterday, "finished")
    call, hours = judged.flag(Kind.FIRST_DAYS), judged.flag(Kind.HOURS)
    day, first = story.yesterday, days_of(story.first_week)[0]
    assert call.sentence == (
        f"Missed {day:%a %b} {day.day} without a call, {(day - first).days} days after "
        f"the first session on {first:%a %b} {first.day}."
    )
    assert call.owner == story.people[Role.THERAPIST]
    assert hours.sentence.endswith(": credited 6 h of 9 h; short 3 h; 2 of 3 days.")
    assert Flag.objects.count() == 2  # none about Ben
    assert judged.results() == [(0, "short", "short", 360)]
    firsts = WeekResult.objects.filter(week_starts_on=story.first_week)
    assert set(firsts.values_list("minutes_status", flat=True)) == {"met"}


def test_the_mail_tells_the_numbers_and_nobody(judged: Weeks) -> None:
    mails = judged.story.mails("Nightly report")
    assert [address for address, _ in mails] == sorted(STAFF)
    for _, message in mails:
        parts = [part.get_content() for part in message.walk() if not part.is_multipart()]
        everything = "\n".join([*map(str, message.values()), *parts]).lower()
        assert [trace for trace in TRACES if trace in everything] == []
        for kind in (Kind.HOURS, Kind.FIRST_DAYS):
            assert f"1 x {kind.label}".lower() in everything


def test_the_week_that_ended_is_told_by_its_link_and_two_people_are_too_few_for_figures(
    judged: Weeks,
) -> None:
    mails = judged.story.mails("Weekly report")
    assert [address for address, _ in mails] == sorted(STAFF)
    for _, message in mails:
        part = message.get_body(("plain",))
        assert part
        text = part.get_content()
        assert "2 people in treatment." in text
        assert "fewer than 5 people" in text
        assert f"/compliancereport/weekly/{judged.story.second_week}/" in text
        assert [trace for trace in TRACES if trace in text.lower()] == []


def test_a_day_nobody_recorded_is_an_item_of_the_staff_and_leaves_the_week_open(
    weeks: Weeks,
) -> None:
    story = weeks.story
    therapist, days = story.caller(Role.THERAPIST), days_of(story.second_week)
    for day in [*days_of(story.first_week), *days[:2]]:
        story.record(therapist, day)
    story.night()
    case = Flag.objects.get()
    assert (case.rule, case.session) == (Kind.UNRECORDED, story.session(story.yesterday))
    [first, second] = [week["standards"][0]["minutes_status"] for week in weeks.shown(therapist)]
    assert (first, second, weeks.results()) == ("met", "open", [])
    story.record(therapist, days[2], weeks.maya)
    assert weeks.shown(therapist)[1]["standards"][0]["minutes_status"] == "short"
    assert set(Flag.objects.values_list("rule", "state")) == {
        (Kind.UNRECORDED, "closed"),
        (Kind.FIRST_DAYS, "open"),
        (Kind.HOURS, "open"),
    }


# --- the morning after ---------------------------------------------------------------------------


def test_the_coordinator_works_the_case_to_its_end(judged: Weeks) -> None:
    story, case = judged.story, judged.flag(Kind.FIRST_DAYS)
    coordinator = story.caller(Role.COORDINATOR)
    path = f"{API}/flags/{case.public_id}/"
    assert take(coordinator, path + "acknowledge/", 1).body["state"] == "acknowledged"
    unheard = take(coordinator, path + "outreach/", 2, method="call", result="no_answer")
    assert (unheard.status, unheard.code) == (409, "channel_not_allowed")
    tried = take(coordinator, path + "outreach/", 2, method="in_person", result="reached")
    assert (tried.body["state"], len(tried.body["outreach"])) == ("in_outreach", 1)
    late = take(coordinator, path + "resolve/", 2, outcome="reached")
    assert (late.status, late.code) == (412, "stale_version")
    done = take(coordinator, path + "resolve/", 3, outcome="reached")
    assert (done.body["state"], done.body["outcome"]) == ("closed", "reached")
    open_now = coordinator.get(f"{API}/flags/?state=open")["results"]
    assert [flag["rule"] for flag in open_now] == ["hours"]


def take(caller: Caller, path: str, version: int, **body: Any) -> Answer:
    """One step of work on a case, made on the version that was seen."""
    sent: dict[str, Any] = {"body": body} if body else {}
    return caller.send("POST", path, if_match=version, **sent)


def correction(judged: Weeks) -> dict[str, Any]:
    """She sat in the back row: yesterday becomes a whole day."""
    booking = judged.story.booking(judged.maya, judged.story.yesterday)
    return {
        "method": "PATCH",
        "path": f"{API}/bookings/{booking.public_id}/attendance/",
        "if_match": 1,
        "body": {"attended": True, "correction_reason": "Sat in the back row."},
    }


def states(judged: Weeks) -> tuple[bool, list[tuple[str, str]], int]:
    """Of what a correction changes: the fact, the cases, the results stored of the week."""
    record = AttendanceRecord.objects.get(
        booking=judged.story.booking(judged.maya, judged.story.yesterday)
    )
    cases = Flag.objects.order_by("rule").values_list("state", "outcome")
    return record.attended, list(cases), len(judged.results())


def test_a_correction_is_the_day_the_week_the_case_and_the_result(judged: Weeks) -> None:
    therapist = judged.story.caller(Role.THERAPIST)
    [_, before] = judged.shown(therapist)
    answer = therapist.send(**correction(judged))
    assert (answer.status, answer.body["credited_minutes"]) == (200, 180)
    [_, after] = judged.shown(therapist)
    assert [(week["credited"], week["days"]) for week in (before, after)] == [(360, 2), (540, 3)]
    assert [week["standards"][0]["minutes_status"] for week in (before, after)] == ["short", "met"]
    assert states(judged) == (True, [("closed", "facts")] * 2, 2)
    assert judged.results()[1] == (1, "met", "met", 540)
    last = WeekResult.objects.get(amendment=1)
    assert last.reason == "Attendance was corrected."


def test_of_a_correction_nothing_is_seen_before_all_of_it(judged: Weeks) -> None:
    """Held up at its last step, the amendment, it shows neither the record nor the closed cases."""
    therapist = judged.story.caller(Role.THERAPIST)
    before, request = states(judged), correction(judged)
    with ThreadPoolExecutor(1) as pool:
        with blocked("attendance_weekresult"):
            waiting = pool.submit(therapist.send, **request)
            until(somebody_waits, "the correction to reach its last step")
            assert states(judged) == before
        assert waiting.result().status == 200
    assert states(judged) == (True, [("closed", "facts")] * 2, 2)


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


def test_a_case_that_was_worked_stays_as_it_was_closed(judged: Weeks) -> None:
    coordinator = judged.story.caller(Role.COORDINATOR)
    path = f"{API}/flags/{judged.flag(Kind.FIRST_DAYS).public_id}/resolve/"
    take(coordinator, path, 1, outcome="reached")
    assert coordinator.send(**correction(judged)).status == 200
    assert states(judged)[1] == [("closed", "facts"), ("closed", "reached")]
