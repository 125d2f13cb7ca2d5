"""What the clinic changes about its sessions is judged at once: closures, and single sessions."""

import datetime
from typing import Any

import pytest

from attendance import sessions
from attendance.closures import close
from attendance.models import AbsenceRule, Flag, WeekResult
from iop_clinic.accounts.acting import Refused
from scheduling.models import Session
from tests.admin import Desk
from tests.attendance.house import FRI, MON, SAT, SUN, THU, WED, House
from tests.attendance.short_weeks import ShortWeek

DAY = datetime.timedelta(days=1)
WEEK = datetime.timedelta(weeks=1)


@pytest.fixture
def week(db: None, time_machine: Any) -> ShortWeek:
    found = ShortWeek()
    time_machine.move_to(found.now, tick=False)
    return found


def call(week: ShortWeek) -> tuple[str, str]:
    """The case of Wednesday's miss without a call, in the patient's first days."""
    flag = Flag.objects.get(clinic=week.clinic, rule=AbsenceRule.Kind.FIRST_DAYS)
    return flag.state, flag.outcome


def snow(week: ShortWeek, day: datetime.date, **extra: Any) -> None:
    asked = {"starts_on": day, "ends_on": day, "reason": "Snow", "by": week.by, **extra}
    close(clinic=week.clinic, **asked)


def test_yesterdays_snow_day_closes_the_calls_of_the_morning(week: ShortWeek) -> None:
    assert call(week) == ("open", "")
    snow(week, WED)
    assert call(week) == ("closed", "facts")


def test_a_closure_of_months_ago_amends_what_is_stored(db: None) -> None:
    house = House()
    pat = house.patient()
    house.full_week(pat, MON, WED)
    house.day(FRI, [pat])
    house.missed(pat, FRI)
    house.night(SUN)
    close(
        clinic=house.clinic, starts_on=FRI, ends_on=FRI, reason="Flood", by=house.user,
        now=house.morning(SUN) + 30 * WEEK,
    )  # fmt: skip
    rows = WeekResult.objects.filter(episode=pat, week_starts_on=MON).order_by("amendment")
    assert [(row.prorated_minimum, row.minutes_status) for row in rows] == [
        (540, "short"),
        (360, "met"),
    ]


def test_a_session_cancelled_at_the_desk_is_judged_and_revived_again(week: ShortWeek) -> None:
    at = Desk(week.by)
    at.fill(week.missed.session, "cancel", reason="Snow")
    assert call(week) == ("closed", "facts")
    at.fill(week.missed.session, "revive")
    assert call(week) == ("open", "")


def test_a_session_moved_at_the_desk_leaves_its_week(week: ShortWeek) -> None:
    coordinator = Desk(week.by)
    coordinator.save(coordinator.look(week.friday.session, "move", day=MON + WEEK))
    assert week.flag.evidence["at_most"] == 180


def test_a_session_moved_into_the_week_is_in_it(week: ShortWeek) -> None:
    next_monday = week.house.day(MON + WEEK, [week.patient])
    sessions.move_session(
        session=next_monday, starts_at=week.house.at(SAT, "09:00"),
        ends_at=week.house.at(SAT, "12:20"), by=week.by,
    )  # fmt: skip
    assert week.flag.state == "closed"


def test_a_patient_added_to_a_roster_is_judged(week: ShortWeek) -> None:
    Desk(week.by).fill(week.session(), "roster-add", episode=week.patient.pk)
    assert week.flag.state == "closed"


def test_a_session_planned_for_a_patient_is_judged(week: ShortWeek) -> None:
    given = {"day": THU, "starts": "14:00", "ends": "15:00"}
    Desk(week.by).fill(
        Session, "plan", session_type=week.house.type.pk, therapist=week.house.therapist.pk,
        episode=week.patient.pk, **given,
    )  # fmt: skip
    assert week.flag.evidence["at_most"] == 420


def test_what_lies_after_the_running_week_waits_for_its_nights(
    week: ShortWeek, monkeypatch: Any
) -> None:
    asked: list[datetime.date] = []
    monkeypatch.setattr(sessions, "judge_again", lambda **said: asked.append(said["since"]))
    week.house.day(THU + 9 * DAY, [week.patient])
    week.house.day(THU + 10 * DAY, [week.patient])
    snow(week, THU + 10 * DAY)
    assert asked == []
    snow(week, THU + 9 * DAY)
    assert asked == [THU]


def test_a_closure_that_is_refused_judges_nothing(week: ShortWeek) -> None:
    before = list(Flag.objects.order_by("pk").values())
    with pytest.raises(Refused) as refused:
        snow(week, MON, ends_on=WED)
    assert refused.value.code == "attendance_recorded"
    assert list(Flag.objects.order_by("pk").values()) == before
