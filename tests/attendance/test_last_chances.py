"""Until when each short week can still be repaired, for many cases at once."""

import datetime
import uuid
from unittest.mock import Mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.compliance.last_chances import LastChance, last_chances
from attendance.compliance.rules import make_ups, weeks
from attendance.models import AbsenceRule, Flag
from attendance.models.standards import Severity
from tests import factories as f
from tests.attendance.house import MON, SAT, THU
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db


@pytest.fixture
def week() -> ShortWeek:
    return ShortWeek()


def chances(week: ShortWeek) -> list[LastChance]:
    cases = Flag.objects.filter(clinic=week.clinic, rule=AbsenceRule.Kind.HOURS).open()
    return last_chances(cases.loudest_first().select_related("episode__patient"), now=week.now)


def test_the_latest_session_that_repairs_it_is_the_last_chance(week: ShortWeek) -> None:
    week.session(THU)
    late = week.session(SAT, "09:00")
    (one,) = chances(week)
    assert (one.flag, one.until) == (week.flag, late.starts_at)
    assert one.plan == (late,)
    assert [(part.minutes_to_go, part.days_to_go) for part in one.missing] == [(180, 1)]


def test_sessions_that_repair_it_only_together_begin_with_the_first(week: ShortWeek) -> None:
    hours = [week.session(SAT, f"{n}:00", ends=f"{n + 1}:00") for n in (14, 15, 16)]
    (one,) = chances(week)
    assert (one.until, one.plan) == (hours[0].starts_at, tuple(hours))


def test_where_no_seat_repairs_it_there_is_no_chance(week: ShortWeek) -> None:
    week.fill(week.session(THU))
    week.session(SAT, "09:00", ends="10:00")
    (one,) = chances(week)
    assert (one.until, one.plan) == (None, ())


def test_a_week_that_is_booked_full_again_is_left_out(week: ShortWeek) -> None:
    f.booking(week.session(THU), week.patient, makes_up=week.missed)
    assert chances(week) == []


def test_two_cases_of_one_week_are_one_call(week: ShortWeek) -> None:
    week.session(THU)
    other = week.flag
    other.pk, other.public_id = None, uuid.uuid4()
    other.evidence_key, other.severity = f"{MON}:payer", Severity.URGENT
    other.save(force_insert=True)
    assert [one.flag for one in chances(week)] == [other]


def test_a_payers_week_that_begins_on_another_day_is_the_same_call(week: ShortWeek) -> None:
    week.session(THU)
    other = week.flag
    other.pk, other.public_id = None, uuid.uuid4()
    other.evidence_key = f"{MON - datetime.timedelta(days=1)}:payer"
    other.save(force_insert=True)
    assert [one.flag for one in chances(week)] == [week.flag]


def test_the_soonest_chance_comes_first_and_none_at_all_last(week: ShortWeek) -> None:
    late, early = week.session(SAT, "09:00"), week.session(THU)
    sooner, never = week.also_short(2), week.also_short(3)
    f.booking(week.session(SAT, "09:00", group=None, ends="10:00"), sooner)
    week.insure(whom=never)
    assert [(one.flag.episode, one.until) for one in chances(week)] == [
        (sooner, early.starts_at),
        (week.patient, late.starts_at),
        (never, None),
    ]


def test_ten_patients_cost_as_many_statements_as_one(week: ShortWeek) -> None:
    week.session(THU)
    week.session(SAT, "09:00")
    with CaptureQueriesContext(connection) as one:
        assert len(chances(week)) == 1
    for seat in range(2, 11):
        week.also_short(seat)
    with CaptureQueriesContext(connection) as ten:
        assert len(chances(week)) == 10
    assert len(ten) == len(one) == 12


def test_groups_side_by_side_are_judged_once(
    week: ShortWeek, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes the morning page of a large clinic slow is judging, not reading."""
    judged = Mock(side_effect=weeks.judge_week)
    monkeypatch.setattr(make_ups, "judge_week", judged)
    week.session(SAT, "09:00")
    assert len(chances(week)) == 1
    alone = judged.call_count
    for _ in range(5):
        week.session(SAT, "09:00")
    week.session(THU)  # before the last chance: not looked at
    assert len(chances(week)) == 1
    assert judged.call_count == 2 * alone
