"""What the fields of the admin site's forms make of what is typed."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from iop_clinic.accounts.admin.forms import moment_field


@pytest.fixture(autouse=True)
def new_york():
    with timezone.override(ZoneInfo("America/New_York")):
        yield


def test_a_moment_that_the_clocks_leave_out_is_refused():
    with pytest.raises(ValidationError) as caught:
        moment_field().clean(["3/8/2026", "2:30 AM"])
    said = "2:30 AM does not exist on Mar 8, 2026: the clocks go from 2:00 AM to 3:00 AM. "
    assert caught.value.messages == [f"{said}Enter another time."]


def test_a_moment_that_the_clocks_show_twice_is_the_first():
    moment = moment_field().clean(["11/1/2026", "1:30 AM"])
    first = datetime.datetime(2026, 11, 1, 5, 30, tzinfo=datetime.UTC)
    assert moment.astimezone(datetime.UTC) == first


@pytest.mark.parametrize("given", [["1/1/0001", "0:00"], ["12/31/9999", "23:59"], ["", "9:00"]])
def test_a_moment_nobody_meant_is_refused(given):
    with pytest.raises(ValidationError):
        moment_field().clean(given)
