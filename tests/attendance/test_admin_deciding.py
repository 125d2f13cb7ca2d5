"""What may be decided about each session at the admin site, and the last look before saving."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from iop_clinic.accounts.models import AuditEvent
from scheduling.models import Closure, Session, TimeOff
from tests import factories as f
from tests.admin import Desk, url
from tests.attendance.house import FRI, MON, SAT, SUN
from tests.attendance.short_weeks import ShortWeek
from tests.attendance.test_admin_closing import SNOW, closed, friday, led, of, off
from tests.lists import lines, panels

pytestmark = pytest.mark.django_db


@pytest.fixture
def coordinator(week: ShortWeek, time_machine: Any) -> Desk:
    time_machine.move_to(week.now, tick=False)
    return Desk(week.by)


def test_the_last_look_counts_what_was_chosen(week, coordinator):
    row, second, third = friday(week), week.session(FRI), week.session(FRI, "18:00")
    f.booking(second, week.other())
    ahead = coordinator.look(
        Closure, "new", **SNOW, for_all="kept",
        **of(row, choice="moved", day=SAT), **of(third, choice="cancelled"),
    )  # fmt: skip
    happens = ahead.panels[0]
    assert (happens.title, lines(happens)) == (
        "What happens to 3 sessions",
        [("Cancel", "1", "0"), ("Move", "1", "1"), ("Keep: it takes place all the same", "1", "1")],
    )  # fmt: skip
    assert ahead.panels[1].title == "Nobody would fall short by it"


def test_no_session_is_moved_to_a_time_that_the_clocks_leave_out(week, coordinator):
    row = friday(week)
    to = of(row, choice="moved", day=SUN, starts="02:30", ends="04:00")
    answer = coordinator.fill(Closure, "new", **SNOW, **to)
    assert list(answer.errors) == [f"starts_{row.pk}"]
    assert answer.refusal.startswith("2:30 AM does not exist on Mar 8, 2026: ")
    assert not Closure.objects.exists()


def test_nothing_is_offered_that_would_be_refused_anyway(week, coordinator):
    row = led(week)
    own, other_program = week.house.group.program, f.ProgramFactory(clinic=week.clinic)
    fits = f.GroupFactory(clinic=week.clinic, program=own, name="Fits")
    strange = f.GroupFactory(clinic=week.clinic, program=other_program, name="Strange")
    evening = f.GroupFactory(clinic=week.clinic, program=own, name="Evening")
    busy = f.GroupFactory(clinic=week.clinic, program=own, name="Busy")
    week.session(FRI, "18:00", group=evening)
    into = week.session(FRI, "14:00", group=fits)
    week.session(FRI, "14:00", group=strange)
    f.booking(f.session(week.clinic, FRI.isoformat(), "13:00", "13:50"), week.patient)
    week.session(FRI, "13:30", ends="14:00", group=busy)
    form = asked(coordinator, TimeOff, **off(week))
    offered = dict(form.fields[f"into_{row.pk}"].choices)
    assert [said.split(",")[0] for said in offered.values()] == ["Fits", "Evening"]
    assert next(iter(offered.values())).endswith("2:00 PM: takes 1 of 1, 12 seats free")
    assert next(iter(offered)) == into.pk


def test_who_is_led_by_another_is_offered_no_cover_and_who_came_no_end(week, coordinator):
    row, other = friday(week), f.TherapistFactory(clinic=week.clinic)
    for therapist, role in ((other, "facilitator"), (week.house.therapist, "co_facilitator")):
        row.staff.create(
            clinic=week.clinic, therapist=therapist, role=role, starts_at=row.starts_at,
            ends_at=row.ends_at, live=True,
        )  # fmt: skip
    assert choices(asked(coordinator, TimeOff, **off(week)), row) == ["", "kept", "moved",
                                                                      "cancelled"]  # fmt: skip
    monday = Session.objects.get(group=week.house.group, local_date=MON)
    snow = {**SNOW, "starts_on": MON, "ends_on": MON, "for_all": "kept"}
    assert choices(asked(coordinator, Closure, **snow), monday) == ["", "by_video", "kept"]


def asked(at: Desk, model: Any, **data: Any) -> Any:
    """The form as it asks about each session."""
    given = at.look(model, "new", **data).data
    del given["seen"]
    return at.client.post(url(model, "new"), given).context["form"]


def choices(form: Any, row: Session) -> list[str]:
    return [str(key) for key, _ in form.fields[f"choice_{row.pk}"].choices]


def test_sessions_of_one_name_are_told_apart_by_whom_they_are_for(week, coordinator):
    kind = f.SessionTypeFactory(clinic=week.clinic, kind="individual", name="Talk")
    people = [week.other(), week.other()]
    for person in people:
        row = f.session(
            week.clinic, FRI.isoformat(), "15:00", "15:50", session_type=kind,
            therapist=f.TherapistFactory(clinic=week.clinic),
        )  # fmt: skip
        f.booking(row, person)
    closure = closed(coordinator)
    found = lines(panels(coordinator, closure)["What was decided"])
    named = {line[1] for line in found if line[0].startswith("Talk")}
    leaders = [one.staff.get().therapist.name for one in kind.sessions.order_by("pk")]
    assert named == {
        f"{person.patient}; with {name}" for person, name in zip(people, leaders, strict=True)
    }


# --- what it takes -------------------------------------------------------------------------------


def statements(at: Desk, model: Any, **data: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        at.look(model, "new", **data)
    return len(captured)


def test_it_takes_the_same_statements_for_more_sessions_and_patients(week, coordinator):
    f.booking(led(week), week.other(), 2)
    few = [statements(coordinator, Closure, **SNOW), statements(coordinator, TimeOff, **off(week))]
    for hour in range(13, 20):
        row = f.session(
            week.clinic, FRI.isoformat(), f"{hour}:00", f"{hour}:50", session_type=week.house.type,
            therapist=week.house.therapist,
        )  # fmt: skip
        for seat in (1, 2):
            f.booking(row, week.other(), seat)
    many = [statements(coordinator, Closure, **SNOW), statements(coordinator, TimeOff, **off(week))]
    assert few == many


def test_looking_leaves_nothing(week, coordinator):
    before = AuditEvent.objects.exclude(operation="R").count()
    coordinator.look(Closure, "new", **SNOW)
    assert AuditEvent.objects.exclude(operation="R").count() == before
