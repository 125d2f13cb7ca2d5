"""What cancelling would take is what it takes, and telling it holds nobody up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from attendance.cancel_impact import cancel_impact
from attendance.compliance.status import PatientWeek
from attendance.models import CreditRule, Standard
from attendance.sessions import cancel_session
from scheduling.locks import lock
from scheduling.models import Booking, Session
from tests import factories as f
from tests.api import API, client_of
from tests.attendance.house import FRI, SAT, TUE
from tests.attendance.short_weeks import ShortWeek
from tests.scheduling.racing import race

pytestmark = pytest.mark.django_db


def friday(week: ShortWeek) -> Booking:
    """Of the patient, in the group."""
    group = week.house.group
    return Booking.objects.get(episode=week.patient, session__group=group, session__local_date=FRI)


def visit(week: ShortWeek, starts: str = "10:00", ends: str = "10:30", **extra: Any) -> Booking:
    """A short visit inside Friday's group."""
    outer = friday(week)
    session = week.house.day(FRI, [], starts, ends, **extra)
    return f.booking(
        session, week.patient, nested_in=outer,
        outer_starts_at=outer.starts_at, outer_ends_at=outer.ends_at,
    )  # fmt: skip


def give_up(booking: Booking) -> None:
    rows = Booking.objects.filter(pk=booking.pk)
    rows.update(state="released", released_at=booking.starts_at)


def group(week: ShortWeek) -> Session:
    return friday(week).session


def group_around_a_visit(week: ShortWeek) -> Session:
    visit(week)
    return friday(week).session


def group_around_a_visit_given_up(week: ShortWeek) -> Session:
    give_up(visit(week))
    return friday(week).session


def group_given_up_around_a_visit(week: ShortWeek) -> Session:
    visit(week)
    give_up(friday(week))
    return friday(week).session


def visit_inside(week: ShortWeek) -> Session:
    return visit(week).session


def visit_given_up(week: ShortWeek) -> Session:
    booking = visit(week)
    give_up(booking)
    return booking.session


def visit_over_a_break(week: ShortWeek) -> Session:
    return visit(week, "09:50", "10:20").session


def one_of_two_visits(week: ShortWeek) -> Session:
    visit(week, "09:10", "09:30")
    return visit(week, "11:30", "11:55").session


def visit_that_does_not_count(week: ShortWeek) -> Session:
    return visit(week, session_type=week.house.drug_screen).session


def visit_in_a_cancelled_group(week: ShortWeek) -> Session:
    booking = visit(week)
    week.house.cancel(friday(week).session)
    return booking.session


def group_around_a_cancelled_visit(week: ShortWeek) -> Session:
    week.house.cancel(visit(week).session)
    return friday(week).session


def extra_day(week: ShortWeek) -> Session:
    return week.house.day(SAT, [week.patient], "09:00", "09:50")


def roster_that_never_came(week: ShortWeek) -> Session:
    return week.house.day(TUE, [week.patient])


def absence(week: ShortWeek) -> Session:
    return week.missed.session


CANCELLED: list[Callable[[ShortWeek], Session]] = [
    group, group_around_a_visit, group_around_a_visit_given_up, group_given_up_around_a_visit,
    visit_inside, visit_given_up, visit_over_a_break, one_of_two_visits, visit_that_does_not_count,
    visit_in_a_cancelled_group, group_around_a_cancelled_visit, extra_day, roster_that_never_came,
    absence,
]  # fmt: skip


def judged(week: PatientWeek) -> list[tuple[int, int, int, int]]:
    found = (one.judgement for one in week.standards)
    return [(j.at_most, j.prorated_minimum, j.days_at_most, j.prorated_days) for j in found]


@pytest.mark.parametrize("kind", ["round_down", "all_or_nothing"])
@pytest.mark.parametrize("cancelled", CANCELLED, ids=lambda one: one.__name__)
def test_what_is_told_is_what_happens(
    week: ShortWeek, cancelled: Callable[[ShortWeek], Session], kind: str
) -> None:
    CreditRule.objects.filter(clinic=week.clinic).update(kind=kind, round_to=15)
    session = cancelled(week)
    (told,) = cancel_impact(session=session, now=week.now)
    before = week.house.week(week.patient, now=week.now)
    cancel_session(session=session, reason="Snow", by=week.by)
    after = week.house.week(week.patient, now=week.now)
    assert told.minutes_lost == before.at_most - after.at_most
    assert [
        [(e.at_most_before, e.minimum_before, e.days_at_most_before, e.days_before)
         for e in told.effects],
        [(e.at_most_after, e.minimum, e.days_at_most_after, e.days) for e in told.effects],
    ] == [judged(before), judged(after)]  # fmt: skip


@pytest.mark.parametrize("basis", ["scheduled", "attended"])
@pytest.mark.parametrize("cancelled", [group_around_a_visit, visit_inside, roster_that_never_came])
def test_whatever_the_standard_counts(
    week: ShortWeek, cancelled: Callable[[ShortWeek], Session], basis: str
) -> None:
    with connection.cursor() as cursor:  # a standard that judged once is never changed
        cursor.execute("SET LOCAL session_replication_role = replica")
        Standard.objects.filter(clinic=week.clinic).update(basis=basis)
        cursor.execute("SET LOCAL session_replication_role = origin")
    session = cancelled(week)
    (told,) = cancel_impact(session=session, now=week.now)
    cancel_session(session=session, reason="Snow", by=week.by)
    after = week.house.week(week.patient, now=week.now)
    assert [
        (e.at_most_after, e.minimum, e.days_at_most_after, e.days) for e in told.effects
    ] == judged(after)


def test_each_patient_loses_what_is_theirs(week: ShortWeek) -> None:
    """One has a visit inside, ten of its minutes in a break; one gave notice; one comes to all."""
    guest, ill = week.other(), week.other()
    for seat, episode in enumerate((guest, ill), start=2):
        f.booking(friday(week).session, episode, seat)
    give_up(Booking.objects.get(episode=ill))
    visit(week)
    told = cancel_impact(session=friday(week).session, now=week.now)
    lost = [(loss.patient.pk, loss.minutes_lost) for loss in told]
    people = (week.patient, guest, ill)
    assert lost == list(zip([one.patient_id for one in people], (160, 180, 0), strict=True))


def test_an_empty_session_takes_nothing(week: ShortWeek) -> None:
    assert cancel_impact(session=week.session(), now=week.now) == []


# --- nobody waits --------------------------------------------------------------------------------


def ask(client: Any, session: Session) -> Any:
    return client.get(f"{API}/sessions/{session.public_id}/cancel-impact/")


def test_it_only_reads(week: ShortWeek) -> None:
    client = client_of(week.by)
    with CaptureQueriesContext(connection) as queries:
        assert ask(client, friday(week).session).status_code == 200
    sent = [query["sql"] for query in queries.captured_queries]
    note = [sql for sql in sent if sql.startswith('INSERT INTO "accounts_auditevent"')]
    assert len(note) == 1
    assert [sql for sql in sent if sql not in note and not sql.startswith("SELECT")] == []
    assert not any(" FOR UPDATE" in sql or " FOR NO KEY" in sql for sql in sent)


@pytest.mark.django_db(transaction=True)
def test_it_does_not_wait_for_who_writes_the_session(week: ShortWeek) -> None:
    """It tells what stands until the other one commits."""
    client, session = client_of(week.by), friday(week).session
    with transaction.atomic():
        lock(moving=[session.pk])
        week.house.cancel(Session.objects.get(pk=session.pk))
        (asked,) = race([lambda: ask(client, session)])
    assert asked.value.status_code == 200
    assert [one["minutes_lost"] for one in asked.value.json()["patients"]] == [180]
    assert asked.seconds < 5
