"""What a change of level would change, told before it is saved, and at the form."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.levels_ahead import Bookings, LevelPreview, preview_level
from attendance.models import Standard
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.roles import Role
from patients.models import Authorization, Level, TreatmentPlan
from scheduling.models import GroupMembership
from scheduling.services import put_on_waitlist
from scheduling.services.memberships import OR_WAIT
from tests.admin import Desk, desk, typed, url
from tests.api import nothing_written
from tests.attendance.house import FRI, MON, THU, TUE, WED
from tests.attendance.leveling import NOW, PLAN, Leveling

pytestmark = pytest.mark.django_db


@pytest.fixture
def at() -> Iterator[Leveling]:
    with time_machine.travel(NOW, tick=False):
        yield Leveling()


def preview(at: Leveling, **extra: Any) -> LevelPreview:
    given = {"starts_on": WED, "plan": PLAN, "by": at.by, "now": NOW, **extra}
    with nothing_written():
        return preview_level(episode=at.pat, **given)


def test_it_tells_plan_seats_bookings_and_standards_and_writes_nothing(at):
    told = preview(at, group=at.new)
    assert told.plan_before == TreatmentPlan.objects.get(episode=at.pat)
    assert (told.change.plan.level, told.change.plan.starts_on) == (Level.PHP, WED)
    assert [(one.group, one.ends_on) for one in told.change.ended] == [(at.old, TUE)]
    assert told.bookings == (
        Bookings(str(at.new), "made", 3, WED, FRI),
        Bookings(str(at.old), "withdrawn", 2, WED, FRI),
    )
    assert [(one.standard.name, one.since, one.before) for one in told.standards] == [
        ("Adult PHP 2.5", WED, False),
        ("Adult IOP 2.1", None, True),
    ]


def test_a_standard_that_goes_on_judging_is_told_so(at):
    Standard.objects.create(
        clinic=at.clinic, name="Court", source=3, prorate=False, starts_on=MON, min_minutes=0,
        min_days=0, level=Level.PHP,
    )  # fmt: skip
    at.pat.court_referrals.create(clinic=at.clinic, court="County", starts_on=MON)
    told = preview(at)
    assert [(one.standard.name, one.since) for one in told.standards] == [
        ("Adult PHP 2.5", WED), ("Court", WED), ("Adult IOP 2.1", None),
    ]  # fmt: skip


def test_a_new_target_on_the_same_level_changes_no_standard(at):
    plan = {**PLAN, "level": Level.IOP, "weekly_minutes_target": 600}
    told = preview(at, plan=plan)
    assert [(one.standard.name, one.since, one.before) for one in told.standards] == [
        ("Adult IOP 2.1", WED, True)
    ]
    assert (told.change.ended, told.bookings) == ((), ())


def test_the_authorizations_that_cover_the_day_are_named(at):
    for level, number in [(Level.PHP, "P"), (Level.IOP, "I")]:
        Authorization.objects.create(
            clinic=at.clinic, episode=at.pat, starts_on=MON, level=level,
            **at.approval(number=number),
        )  # fmt: skip
    assert [one.number for one in preview(at).covers] == ["P"]
    assert [one.number for one in preview(at, approval=at.approval(number="N")).covers] == [
        "P", "N",
    ]  # fmt: skip


def test_it_refuses_what_saving_refuses(at):
    at.fill(at.new, 8)
    with pytest.raises(Refused) as refusal, nothing_written():
        preview(at, group=at.new)
    assert refusal.value.code == "group_full"


def statements(at: Leveling) -> int:
    with CaptureQueriesContext(connection) as captured:
        preview_level(episode=at.pat, starts_on=WED, plan=PLAN, by=at.by, group=at.new, now=NOW)
    return len(captured)


def test_it_takes_the_same_statements_however_many_bookings_follow(at):
    before = statements(at)
    for n in range(1, 11):
        at.session(at.new, WED + n * datetime.timedelta(weeks=1), "14:00", "17:00")
    assert statements(at) == before


# --- at the form ------------------------------------------------------------------------------


@pytest.fixture
def coordinator(at) -> Desk:
    return Desk(at.by)


def given(at: Leveling, **extra: Any) -> dict[str, Any]:
    return {"starts_on": WED, **PLAN, "group": at.new, **extra}


NEW = {"number": "A-1", "unit": "day", "units": 20, "ends_on": datetime.date(2026, 4, 1)}


def test_the_form_shows_what_would_change_and_then_saves_it(at, coordinator):
    payer = at.payer()
    with nothing_written(reads=False):
        ahead = coordinator.look(at.pat, "level", **given(at, payer=payer, **NEW))
    assert {panel.title: panel.rows for panel in ahead.panels} == {
        "Plan": [
            ("Now", "IOP 2.1, adult", "9 h", 3, "Mar 2, 2026"),
            ("Then", "PHP 2.5, adult", "20 h", 5, "Mar 4, 2026"),
        ],
        "Seats in groups": [
            (at.old, "ends", "Mar 3, 2026"),
            (at.new, "seat 1 begins", "Mar 4, 2026"),
        ],
        "Bookings": [
            (str(at.new), "made", 3, "Wed Mar 4 – Fri Mar 6"),
            (str(at.old), "withdrawn", 2, "Wed Mar 4 – Fri Mar 6"),
        ],
        "Standards that judge": [
            ("Adult PHP 2.5", "20 h, 5 days from 4 h", "from Mar 4, 2026"),
            ("Adult IOP 2.1", "9 h to 20 h, 3 days from 3 h", "judges no more"),
        ],
        "Authorization on the first day": [(f"{payer} A-1: 20 days of PHP 2.5 until Apr 1, 2026",)],
    }
    answer = coordinator.save(ahead)
    (sentence,) = answer.sentences
    assert sentence == (
        f"{at.pat.patient} is on PHP 2.5 from Wed Mar 4. Seat 1 in {at.new} is booked. "
        "3 planned sessions are booked."
    )
    assert GroupMembership.objects.get(group=at.new).episode == at.pat


def test_a_seat_taken_back_is_told(at, coordinator):
    GroupMembership.objects.filter(pk=at.seat.pk).update(starts_on=THU)
    ahead = coordinator.look(at.pat, "level", **given(at, group=""))
    rows = {panel.title: panel.rows for panel in ahead.panels}
    assert rows["Seats in groups"] == [(at.old, "taken back", "would begin on Mar 5, 2026")]
    assert coordinator.save(ahead).sentences == [
        (
            f"{at.pat.patient} is on PHP 2.5 from Wed Mar 4. Next: enrol the patient in a group, "
            "or book single sessions. No authorization was named: look at who pays."
        )
    ]


def test_the_waitlists_that_are_left_are_named(at, coordinator):
    other = at.group(level=Level.IOP)
    put_on_waitlist(group=other, episode=at.pat, by=at.by)
    ahead = coordinator.look(at.pat, "level", **given(at))
    rows = {panel.title: panel.rows for panel in ahead.panels}
    assert rows["Waitlists"] == [(other, "the patient waits no longer")]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"weekly_minutes_target": 540}, "weekly_minutes_target"),
        ({"starts_on": datetime.date(2025, 12, 1)}, "starts_on"),
        ({**NEW, "ends_on": TUE}, "ends_on"),
    ],
)
def test_a_refusal_stands_at_its_field_and_saves_nothing(at, coordinator, wrong, field):
    data = typed(given(at, payer=at.payer(), **{**NEW, **wrong}))
    with nothing_written(reads=False):
        answer = coordinator.send(url(at.pat, "level"), data)
    assert list(answer.errors) == [field]


def test_a_full_group_stands_at_the_group(at, coordinator):
    at.fill(at.new, 8)
    with nothing_written(reads=False):
        answer = coordinator.send(url(at.pat, "level"), typed(given(at)))
    assert answer.errors == {"group": [f"All 8 seats of {at.new} are taken. {OR_WAIT}"]}


def test_half_an_authorization_is_asked_for_the_rest(at, coordinator):
    answer = coordinator.send(url(at.pat, "level"), typed(given(at, number="A-1")))
    assert list(answer.errors) == ["payer", "unit", "units", "ends_on"]


def test_a_level_that_nothing_judges_is_said(at, coordinator):
    plan = {"level": Level.OP, "weekly_minutes_target": 120, "group": ""}
    ahead = coordinator.look(at.pat, "level", **given(at, **plan))
    (panel,) = [one for one in ahead.panels if one.title == "Standards that judge"]
    assert panel.rows == [("Adult IOP 2.1", "9 h to 20 h, 3 days from 3 h", "judges no more")]
    assert panel.note == "No standard is for this level and age bracket: nothing judges it."


def test_one_authorization_is_enough(at, coordinator):
    row = Authorization.objects.create(
        clinic=at.clinic, episode=at.pat, starts_on=MON, level=Level.PHP, **at.approval()
    )
    data = given(at, authorization=row, payer=row.payer, **{**NEW, "number": "A-2"})
    answer = coordinator.send(url(at.pat, "level"), typed(data))
    assert answer.refusal == "Choose one entered before, or enter a new one."


def test_another_patients_authorization_is_no_choice(at, coordinator):
    row = Authorization.objects.create(
        clinic=at.clinic, episode=at.house.patient(seat=None), starts_on=MON, level=Level.PHP,
        **at.approval(),
    )  # fmt: skip
    answer = coordinator.send(url(at.pat, "level"), typed(given(at, authorization=row)))
    assert list(answer.errors) == ["authorization"]


def test_a_minor_starts_as_an_adolescent(at, coordinator):
    at.pat.patient.birth_date = datetime.date(2012, 1, 1)
    at.pat.patient.save()
    form = coordinator.open(at.pat, "level").context["form"]
    assert form["age_bracket"].value() == 2


def test_the_form_says_what_is_and_which_minutes_a_level_takes(at, coordinator):
    form = coordinator.open(at.pat, "level").context["form"]
    assert form.introduction().startswith("Now IOP 2.1, 9 h on 3 days a week. Plan, group and")
    assert form.fields["weekly_minutes_target"].help_text == (
        "Adult: 0–539 (OP 1), 540–1200 (IOP 2.1), 1200–2400 (PHP 2.5). "
        "Adolescent: 0–359 (OP 1), 360–1200 (IOP 2.1), 1200–2400 (PHP 2.5)."
    )


def test_a_therapist_changes_no_level(at):
    therapist = Desk(at.house.user)
    with nothing_written():
        answer = therapist.send(url(at.pat, "level"), typed(given(at)))
    assert answer.status == 403
    assert desk(at.clinic, Role.AUDITOR).open(at.pat, "level").status_code == 403


def test_what_changed_after_the_look_is_looked_at_again(at, coordinator):
    ahead = coordinator.look(at.pat, "level", **given(at))
    at.group(name="Another").memberships.create(
        clinic=at.clinic, episode=at.pat, seat=1, starts_on=MON
    )
    with nothing_written(reads=False):
        again = coordinator.look(at.pat, "level", **given(at))
        answer = coordinator.client.post(ahead.address, ahead.data)
        assert answer.context["seal"] == again.data["seen"] != ahead.data["seen"]
    seats = {panel.title: panel.rows for panel in again.panels}["Seats in groups"]
    assert len(seats) == 3
