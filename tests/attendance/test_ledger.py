"""Every line behind a patient's minutes."""

import pytest

from attendance.compliance.status import minutes_detail
from attendance.records.rules import Status
from tests.attendance.house import FRI, MON, WED, House

pytestmark = pytest.mark.django_db


@pytest.fixture
def house():
    return House()


def test_the_lines_cost_three_statements(house, django_assert_num_queries):
    pat = house.patient()
    house.full_week(pat)
    with django_assert_num_queries(3):
        assert len(minutes_detail(episode=pat, week_start=WED, now=house.morning(FRI))) == 3


def test_every_line_behind_the_minutes(house):
    pat = house.patient()
    house.day(MON, [pat])
    house.came(pat, MON, arrived="09:30", recorded_by=house.user)
    house.day(WED, [pat])
    house.called_in(pat, WED)
    house.cancel(house.day(FRI, [pat]))
    now = house.morning(FRI)
    lines = minutes_detail(episode=pat, week_start=MON, now=now)
    assert [(one.local_date, one.scheduled, one.attended, one.credited) for one in lines] == [
        (MON, 180, 150, 150),
        (WED, 180, 0, 0),
        (FRI, 0, 0, 0),
    ]
    assert [one.status for one in lines] == [Status.PRESENT, Status.ABSENT_EXCUSED, None]
    assert (lines[0].rule, lines[0].recorded_by) == ("exact minutes", house.user.name)
    assert lines[0].breaks == ((60, 70), (130, 140))
    week = house.week(pat, now=now)
    assert sum(one.credited for one in lines) == week.credited
