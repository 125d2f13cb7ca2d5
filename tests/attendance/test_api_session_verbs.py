"""Cancelling one session over REST, and what it would take."""

from __future__ import annotations

from typing import Any

import pytest

from attendance.models import AbsenceRule, CreditRule, Flag, Standard
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from patients.models import Payer
from scheduling.models import Booking, Session
from tests import factories as f
from tests.api import API, client_of, exactly, nothing_written
from tests.attendance.house import FRI, MON, SAT, SUN, WED
from tests.attendance.short_weeks import ShortWeek

pytestmark = pytest.mark.django_db

SESSIONS = f"{API}/sessions/"


@pytest.fixture
def client(week: ShortWeek) -> Any:
    return client_of(week.by)


def problem(answer: Any) -> tuple[int, str, Any]:
    body = answer.json()
    places = [error["loc"] for error in body.get("errors", [])]
    return answer.status_code, body["code"], places[0] if len(places) == 1 else places


# --- what cancelling would take ---------------------------------------------------------------


def impact(client: Any, session: Session) -> Any:
    return client.get(f"{SESSIONS}{session.public_id}/cancel-impact/")


def cancel(client: Any, session: Session, key: str = "", **body: Any) -> Any:
    header = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    given = body or {"reason": "Snow"}
    return client.post(f"{SESSIONS}{session.public_id}/cancel/", given, **header)


def payer_standard(week: ShortWeek, **extra: Any) -> None:
    """Nine hours on three days for the patient's payer, whatever the clinic cancels."""
    week.insure(needs=False)
    payer = Payer.objects.get(clinic=week.clinic)
    Standard.objects.create(
        clinic=week.clinic, source=Standard.Source.PAYER, payer=payer, name="Payer 9 h",
        prorate=False, starts_on="2026-01-05", **extra,
    )  # fmt: skip


def whole(week: ShortWeek) -> Session:
    """The patient came on Wednesday after all; what is left is Friday's session."""
    week.house.came(week.patient, WED)
    return week.friday.session


def test_what_the_clinic_cancels_leaves_both_sides(week: ShortWeek, client: Any) -> None:
    """R24: of nine hours on three days six on two are left to be asked for."""
    friday = whole(week)
    body = impact(client, friday).json()
    assert (body["session"]["id"], body["session"]["state"]) == (str(friday.public_id), "upcoming")
    figures = {
        "at_most_before": 540, "at_most_after": 360, "minimum_before": 540, "minimum": 360,
        "falls_below": False, "too_few_days": False, "standard": "Adult IOP 2.1",
    }  # fmt: skip
    days = {"days_at_most_before": 3, "days_at_most_after": 2, "days_before": 3, "days": 2}
    assert body["patients"] == [
        {
            "id": str(week.patient.patient.public_id),
            "name": str(week.patient.patient),
            "minutes_lost": 180,
            "plan": 540,
            **figures,
            "standards": [{**figures, **days, "source": "program"}],
        }
    ]


def test_a_payers_minimum_stays_and_is_named(week: ShortWeek, client: Any) -> None:
    friday = whole(week)
    payer_standard(week)
    (one,) = impact(client, friday).json()["patients"]
    assert (one["standard"], one["minimum"], one["falls_below"]) == ("Payer 9 h", 540, True)
    assert [
        (s["source"], s["minimum"], s["falls_below"], s["days"], s["too_few_days"])
        for s in one["standards"]
    ] == [("program", 360, False, 2, False), ("payer", 540, True, 3, True)]


def test_too_few_days_are_told_apart_from_minutes(week: ShortWeek, client: Any) -> None:
    friday = whole(week)
    payer_standard(week, min_minutes=360)
    (one,) = impact(client, friday).json()["patients"]
    told = (one["standard"], one["minimum"], one["falls_below"], one["too_few_days"])
    assert told == ("Payer 9 h", 360, False, True)


def test_who_is_short_already_does_not_fall(week: ShortWeek, client: Any) -> None:
    payer_standard(week)
    (one,) = impact(client, week.friday.session).json()["patients"]
    assert (one["minutes_lost"], one["at_most_before"], one["at_most_after"]) == (180, 360, 180)
    assert [s["falls_below"] for s in one["standards"]] == [False, False]


def test_who_gave_notice_loses_nothing(week: ShortWeek, client: Any) -> None:
    friday = whole(week)
    Booking.objects.filter(session=friday).update(state="released", released_at=week.now)
    (one,) = impact(client, friday).json()["patients"]
    assert (one["minutes_lost"], one["at_most_before"], one["at_most_after"]) == (0, 360, 360)
    assert (one["minimum_before"], one["minimum"]) == (540, 360)


def test_who_has_no_plan_that_day_is_asked_for_nothing(week: ShortWeek, client: Any) -> None:
    week.patient.plans.update(ends_on=WED)
    (one,) = impact(client, week.friday.session).json()["patients"]
    assert (one["standard"], one["standards"], one["minimum"]) == (None, [], 0)
    assert (one["minutes_lost"], one["at_most_before"], one["at_most_after"]) == (180, 360, 180)


def test_a_week_of_the_payers_own_that_holds_the_day(week: ShortWeek, client: Any) -> None:
    """Its week begins on the clinic's last day."""
    payer_standard(week, week_starts_on=6, min_minutes=180, min_days=0)
    week.house.came(week.patient, WED)
    sunday = week.house.day(SUN, [week.patient])
    (one,) = impact(client, sunday).json()["patients"]
    told = [(s["source"], s["at_most_before"], s["at_most_after"]) for s in one["standards"]]
    assert told == [("program", 720, 540), ("payer", 180, 0)]
    assert (one["standard"], one["falls_below"]) == ("Payer 9 h", True)


@pytest.mark.parametrize("released", [False, True])
def test_cancelling_does_what_the_impact_told(week: ShortWeek, client: Any, released: bool) -> None:
    """A visit lies inside the session, and credit is rounded down to quarters of an hour."""
    CreditRule.objects.filter(clinic=week.clinic).update(kind="round_down", round_to=15)
    friday, visit = week.friday, week.house.day(FRI, [], "10:00", "10:20")
    inner = f.booking(visit, week.patient, nested_in=friday, **outer(friday))
    if released:
        Booking.objects.filter(pk=inner.pk).update(state="released", released_at=week.now)
    (told,) = impact(client, friday.session).json()["patients"]
    before = week.house.week(week.patient, now=week.now)
    cancel(client, friday.session)
    after = week.house.week(week.patient, now=week.now)
    standard = after.program()
    assert standard is not None
    assert (told["minutes_lost"], told["at_most_after"], told["minimum"]) == (
        before.at_most - after.at_most, after.at_most, standard.prorated_minimum,
    )  # fmt: skip


def outer(booking: Booking) -> dict[str, Any]:
    return {"outer_starts_at": booking.starts_at, "outer_ends_at": booking.ends_at}


def test_the_impact_writes_only_that_the_names_were_read(week: ShortWeek, client: Any) -> None:
    seen = AuditEvent.objects.filter(operation="R")
    before = seen.count()
    with nothing_written():
        assert impact(client, week.friday.session).status_code == 200
    assert [(e.table_name, e.row_id, e.actor) for e in seen.order_by("pk")[before:]] == [
        ("scheduling_session", week.friday.session_id, week.by.actor)
    ]


def test_nobody_loses_by_what_is_cancelled_already(week: ShortWeek, client: Any) -> None:
    session = week.friday.session
    cancel(client, session)
    body = impact(client, session).json()
    assert (body["session"]["state"], body["patients"]) == ("cancelled", [])


def sign(session: Session, week: ShortWeek) -> None:
    Session.objects.filter(pk=session.pk).update(signed_at=week.now, signed_by=week.by)


def test_what_took_place_is_not_cancelled(week: ShortWeek, client: Any) -> None:
    """Monday's record says that the patient was there; Wednesday's roster is signed."""
    monday = Session.objects.get(local_date=MON)
    sign(week.missed.session, week)
    with nothing_written():
        answers = [
            (ask(client, monday), ask(client, week.missed.session)) for ask in (impact, cancel)
        ]
    told = [[(a.status_code, a.json()["code"]) for a in pair] for pair in answers]
    assert told == [[(409, "attendance_recorded"), (409, "roster_signed")]] * 2


@pytest.mark.parametrize("people", [1, 15])
def test_the_impact_takes_the_same_statements(week: ShortWeek, client: Any, people: int) -> None:
    session = week.house.day(SAT, [week.other() for _ in range(people)])
    with exactly(8):
        assert len(impact(client, session).json()["patients"]) == people


def test_who_leads_it_may_ask_what_cancelling_would_take(week: ShortWeek) -> None:
    session = week.house.day(SAT, [week.patient], therapist=week.house.therapist)
    assert impact(client_of(week.house.user), session).status_code == 200
    colleague = client_of(f.staff(week.clinic, Role.THERAPIST))
    assert problem(impact(colleague, session)) == (404, "not_found", [])


# --- cancelling -------------------------------------------------------------------------------


def test_a_cancelled_session_is_answered(week: ShortWeek, client: Any) -> None:
    session = week.friday.session
    answer = cancel(client, session, reason="Snow")
    body = answer.json()
    assert (answer.status_code, body["id"], body["state"], body["expected"]) == (
        200, str(session.public_id), "cancelled", 0,
    )  # fmt: skip
    session.refresh_from_db()
    assert (session.live, session.cancelled_reason) == (False, "Snow")


def test_a_cancelled_session_closes_the_call(week: ShortWeek, client: Any) -> None:
    """R24: nobody is called about a session that the clinic cancelled."""
    flag = Flag.objects.get(clinic=week.clinic, rule=AbsenceRule.Kind.FIRST_DAYS)
    assert flag.state == "open"
    cancel(client, week.missed.session)
    flag.refresh_from_db()
    assert (flag.state, flag.outcome) == ("closed", "facts")


@pytest.mark.parametrize("role", [Role.THERAPIST, Role.FRONT_DESK, Role.AUDITOR])
def test_cancelling_is_for_who_manages_the_schedule(week: ShortWeek, role: Role) -> None:
    client = client_of(week.house.user if role == Role.THERAPIST else f.staff(week.clinic, role))
    session = week.house.day(SAT, [week.patient], therapist=week.house.therapist)
    with nothing_written():
        answer = cancel(client, session)
    assert problem(answer) == (403, "not_allowed", [])


def test_again_changes_nothing(week: ShortWeek, client: Any) -> None:
    session = week.friday.session
    first = cancel(client, session)
    with nothing_written():
        again = cancel(client, session, reason="Flood")
    assert (again.status_code, again.json()) == (200, first.json())


def test_the_same_key_cancels_once(week: ShortWeek, client: Any) -> None:
    session = week.friday.session
    first = cancel(client, session, key="tablet-1")
    with nothing_written():
        again = cancel(client, session, key="tablet-1")
        other = cancel(client, session, key="tablet-1", reason="Flood")
    assert (again.status_code, again.json()) == (200, first.json())
    assert problem(other) == (422, "key_reused", [])


@pytest.mark.parametrize(
    ("body", "place", "code"),
    [
        ({"reason": None}, "reason", "null"),
        ({"reason": "  "}, "reason", "blank"),
        ({"reason": 7}, "reason", "invalid"),
        ({"reason": "x" * 201}, "reason", "max_length"),
        ({"reason": "Snow", "notify": True}, "notify", "unknown_field"),
    ],
)
def test_a_reason_is_needed(
    week: ShortWeek, client: Any, body: dict[str, Any], place: str, code: str
) -> None:
    with nothing_written():
        answer = cancel(client, week.friday.session, **body)
    assert problem(answer) == (400, code, [place])


def test_an_empty_request_says_what_is_missing(week: ShortWeek, client: Any) -> None:
    with nothing_written():
        answer = client.post(f"{SESSIONS}{week.friday.session.public_id}/cancel/", {})
    assert problem(answer) == (400, "required", ["reason"])


@pytest.mark.parametrize("people", [1, 15])
def test_cancelling_takes_the_same_statements(week: ShortWeek, client: Any, people: int) -> None:
    session = week.house.day(SAT, [week.other() for _ in range(people)])
    with exactly(22):
        assert cancel(client, session).status_code == 200
