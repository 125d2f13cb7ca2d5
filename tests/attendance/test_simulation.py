"""Plays of the demo clinic: what is counted, what is printed, and that nothing of them stays."""

from collections import Counter
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from attendance.management.commands.simulate import first_monday
from attendance.models import Flag
from attendance.simulation import play as plays
from attendance.simulation.figures import Figures, Tally, figures, report
from iop_clinic.accounts.models import AuditEvent, Clinic, User


def some(**extra: Any) -> Figures:
    shown: dict[str, Any] = {
        "short_weeks": 20, "repairable_weeks": 10, "seen_in_time": 1.0, "opened_a_day": 9.0,
        "notices_a_day": 2.0, "patients_a_day": 7.0, "most_in_a_day": 14, "by_work": 0.5,
        "by_facts": 0.25, "lapsed": 0.25, "by_rule": {"Short of weekly hours": 3.0},
    }  # fmt: skip
    return Figures(**shown | extra)


def test_a_weekends_items_wait_for_monday():
    tally = Tally()
    for opened, business in ((2, True), (3, False), (4, False), (1, True)):
        tally.morning(Counter({"rule": opened}), patients=opened, business=business)
    assert tally.mornings == [2, 8]
    assert tally.patients == [2, 8]


def test_shares_and_means():
    tally = Tally(mornings=[4, 8], patients=[3, 6], opened=Counter({"a": 9, "b": 3}))
    tally.notices = 3
    tally.short, tally.repairable, tally.seen_in_time = 10, 8, 6
    tally.by_work, tally.by_facts, tally.lapsed = 5, 4, 1
    assert figures(tally) == Figures(
        short_weeks=10, repairable_weeks=8, seen_in_time=0.75, opened_a_day=6.0,
        notices_a_day=1.5, patients_a_day=4.5, most_in_a_day=8, by_work=0.5, by_facts=0.4,
        lapsed=0.1, by_rule={"a": 4.5, "b": 1.5},
    )  # fmt: skip


def test_nothing_that_could_be_repaired_is_nothing_missed():
    assert figures(Tally()).seen_in_time == 1.0


def test_the_worst_is_the_least_of_what_should_be_high():
    lines = report([some(), some(seen_in_time=0.9, opened_a_day=11.0), some(opened_a_day=10.0)])
    found = {line[:40].strip(): line[40:].split() for line in lines}
    assert found["of those on the list in time, %"] == ["100.0", "90.0"]
    assert found["items opened a business day"] == ["10.0", "11.0"]
    assert found["Short of weekly hours"] == ["3.00"]


@pytest.mark.soak
@pytest.mark.django_db
def test_a_week_is_played_and_forgotten(monkeypatch):
    monkeypatch.setattr(plays, "WARM_UP", 0)
    before = AuditEvent.objects.count()
    days = []
    script = plays.Script(show_rate=0.6, seed=1, weeks=1)
    shown = plays.play(script, monday=first_monday(1), tick=lambda: days.append(timezone.now()))
    assert len(days) == 7
    assert shown.short_weeks >= shown.repairable_weeks
    assert shown.short_weeks > 5
    assert shown.opened_a_day > 3
    assert not Clinic.objects.exists()
    assert not User.objects.exists()
    assert not Flag.objects.exists()
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--weeks", "0"], "--weeks: '0' is not a whole number from 1 on"),
        (["--show-rates", "101"], "--show-rates: '101' is not a percentage from 1 to 99"),
    ],
)
def test_what_cannot_be_played_is_said(arguments, named):
    with pytest.raises(CommandError, match=named):
        call_command("simulate", *arguments)
