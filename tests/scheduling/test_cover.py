"""Which sessions nobody can lead: as things stand, not as they stood when they were planned."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from iop_clinic.accounts.models import License, Therapist
from scheduling.cover import Cover
from scheduling.models import Session, SessionStaff, SessionType
from scheduling.rules import Span
from scheduling.services import add_time_off, assign_substitute, cancel_session
from tests import factories as f
from tests.scheduling.conftest import World

pytestmark = pytest.mark.django_db

NEXT = "2026-03-09"


def missing(world: World, session: Session, now: datetime.datetime | None = None) -> str:
    session.refresh_from_db()
    span = Span(world.at("2026-03-02", "00:00"), world.at("2026-03-16", "00:00"))
    return Cover.of(world.clinic, span, [session]).missing(session, now or timezone.now())


def led(world: World, therapist: Therapist | None = None) -> Session:
    return world.session(NEXT, therapist=therapist or world.therapist)


def co_leader(world: World, session: Session) -> Therapist:
    therapist = f.TherapistFactory(clinic=world.clinic)
    SessionStaff.objects.create(
        clinic=world.clinic, session=session, therapist=therapist, role="co_facilitator",
        starts_at=session.starts_at, ends_at=session.ends_at, live=True,
    )  # fmt: skip
    return therapist


def off(world: World, therapist: Therapist) -> None:
    add_time_off(
        therapist=therapist,
        starts_at=world.at(NEXT, "08:00"),
        ends_at=world.at(NEXT, "09:30"),
        by=world.by,
    )


def test_a_session_with_a_leader_is_covered(world):
    assert missing(world, led(world)) == ""


def test_a_session_without_a_leader_is_not(world):
    assert missing(world, world.session(NEXT)) == "Nobody leads it"


def test_time_off_uncovers_it_and_a_substitute_covers_it(world):
    session, helper = led(world), f.TherapistFactory(clinic=world.clinic)
    off(world, world.therapist)
    assert missing(world, session) == f"No leader: {world.therapist.name} has time off"
    assign_substitute(session=session, therapist=helper, by=world.by)
    assert missing(world, session) == ""


def test_a_co_leader_covers_it(world):
    session = led(world)
    co_leader(world, session)
    off(world, world.therapist)
    assert missing(world, session) == ""


def test_who_works_here_no_longer_covers_nothing(world):
    session = led(world)
    Therapist.objects.filter(pk=world.therapist.pk).update(active=False)
    assert missing(world, session) == f"{world.therapist.name} works here no longer"


def test_one_who_can_lead_is_enough(world):
    session = led(world)
    co_leader(world, session)
    Therapist.objects.filter(pk=world.therapist.pk).update(active=False)
    assert missing(world, session) == ""


@pytest.mark.parametrize(("expires", "covered"), [("2026-03-08", False), (NEXT, True)])
def test_a_license_that_ran_out_since_it_was_planned_uncovers_it(world, expires, covered):
    session = led(world)
    f.LicenseFactory(therapist=world.therapist, expires_on=expires)
    said = "" if covered else f"License: none of {world.therapist.name} is valid on Mon Mar 9"
    assert missing(world, session) == said


def test_a_license_of_another_credential_or_state_uncovers_it(world):
    session, own = led(world), f.LicenseFactory(therapist=world.therapist)
    SessionType.objects.filter(pk=world.kind.pk).update(credentials=["LCSW"])
    assert missing(world, Session.objects.get(pk=session.pk)) == ""
    needed = f"License: {world.kind} asks for"
    License.objects.filter(pk=own.pk).update(state="CT")
    said = f"{needed} LCSW in NY, and {world.therapist.name} has none"
    assert missing(world, Session.objects.get(pk=session.pk)) == said
    License.objects.filter(pk=own.pk).update(state="NY")
    SessionType.objects.filter(pk=world.kind.pk).update(credentials=["LPC"])
    said = f"{needed} LPC in NY, and {world.therapist.name} has none"
    assert missing(world, Session.objects.get(pk=session.pk)) == said


def test_a_co_leader_without_the_credential_does_not_cover_it_alone(world):
    session = led(world)
    other = co_leader(world, session)
    f.LicenseFactory(therapist=world.therapist)
    SessionType.objects.filter(pk=world.kind.pk).update(credentials=["LCSW"])
    assert missing(world, Session.objects.get(pk=session.pk)) == ""
    Therapist.objects.filter(pk=world.therapist.pk).update(active=False)
    assert missing(world, Session.objects.get(pk=session.pk)) == (
        f"{world.therapist.name} works here no longer; "
        f"License: {world.kind} asks for LCSW in NY, and {other.name} has none"
    )


def test_every_leader_in_the_way_is_named(world):
    session = led(world)
    other = co_leader(world, session)
    Therapist.objects.filter(clinic=world.clinic).update(active=False)
    told = f"{world.therapist.name} works here no longer; {other.name} works here no longer"
    assert missing(world, session) == told


def test_a_session_that_is_over_or_cancelled_needs_nobody(world):
    session = world.session(NEXT)
    assert missing(world, session, session.ends_at) == ""
    assert missing(world, session, session.ends_at - datetime.timedelta(minutes=1)) != ""
    cancel_session(session=session, reason="Snow", by=world.by)
    assert missing(world, session) == ""


def test_the_substitute_stands_before_a_co_leader(world):
    session, helper = led(world), f.TherapistFactory(clinic=world.clinic)
    other = co_leader(world, session)
    assign_substitute(session=session, therapist=helper, by=world.by)
    span = Span(session.starts_at, session.ends_at)
    assert Cover.of(world.clinic, span, [session]).leaders(session) == [helper, other]


def test_reading_it_takes_five_statements_however_many_there_are(world, django_assert_num_queries):
    span = Span(world.at("2026-03-02", "00:00"), world.at("2026-03-16", "00:00"))
    sessions = [led(world)]
    with django_assert_num_queries(5):
        Cover.of(world.clinic, span, sessions)
    sessions += [led(world, f.TherapistFactory(clinic=world.clinic)) for _ in range(3)]
    with django_assert_num_queries(5):
        Cover.of(world.clinic, span, sessions)


def test_of_a_session_that_is_led_it_is_told_what_else_to_look_at(world):
    session = led(world)
    other = co_leader(world, session)
    SessionType.objects.filter(pk=world.kind.pk).update(credentials=["LCSW"])
    f.LicenseFactory(therapist=world.therapist)
    Session.objects.filter(pk=session.pk).update(
        needs_attention="No room: Oak is closed; License: none is valid"
    )
    assert look(world, session) == "No room: Oak is closed"
    off = f"{other.name} works here no longer"
    Therapist.objects.filter(pk=other.pk).update(active=False)
    assert look(world, session) == f"No room: Oak is closed; {off}"
    Therapist.objects.filter(pk=world.therapist.pk).update(active=False)
    assert look(world, session) == ""  # it needs cover


def look(world, session):
    row = Session.objects.get(pk=session.pk)
    cover = Cover.of(world.clinic, Span(row.starts_at, row.ends_at), [row])
    return cover.to_look_at(row, row.starts_at)


def test_a_room_that_is_missing_is_no_reason_why_nobody_leads(world):
    session = world.session(NEXT, needs_attention="No room: Oak is closed")
    assert missing(world, session) == "No room: Oak is closed; Nobody leads it"
