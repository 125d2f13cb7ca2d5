"""A therapist's phone is lost: an administrator ends its calendar, and nothing else of theirs."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from iop_clinic.accounts.calendar_links import renew_link
from iop_clinic.accounts.models import AuditEvent, CalendarLink, Clinic, Membership, User
from iop_clinic.accounts.roles import Role
from tests import factories as f
from tests.admin import Desk, desk, url
from tests.api import API, client_of, nothing_written

pytestmark = pytest.mark.django_db

PAGE = "end-calendar-link"


@pytest.fixture
def clinic() -> Clinic:
    return f.ClinicFactory()


@pytest.fixture
def user(clinic: Clinic) -> User:
    return f.staff(clinic, Role.THERAPIST)


@pytest.fixture
def member(clinic: Clinic, user: User) -> Membership:
    return user.memberships.get(clinic=clinic)


@pytest.fixture
def administrator(clinic: Clinic) -> Desk:
    return desk(clinic, Role.ADMINISTRATOR)


def calendar(secret: str) -> int:
    """What a phone with this link gets, from an address of its own."""
    phone = Client(REMOTE_ADDR=f"2001:db8:{uuid.uuid4().hex[:4]}::1")
    return phone.get(f"/calendar/{secret}.ics").status_code


def test_an_administrator_ends_the_link_and_nothing_else(
    clinic: Clinic, user: User, member: Membership, administrator: Desk
) -> None:
    tablet, secret = client_of(user), renew_link(clinic=clinic, by=user)
    link = CalendarLink.objects.get()
    answer = administrator.fill(member, PAGE)
    assert answer.sentences == [f"{user}'s calendar link has ended."]
    assert (calendar(secret), tablet.get(f"{API}/me/").status_code) == (404, 200)
    trail = AuditEvent.objects.filter(table_name="accounts_calendarlink", row_id=link.pk)
    assert [(one.operation, one.actor) for one in trail.order_by("pk")] == [
        ("I", user.actor), ("D", administrator.user.actor),
    ]  # fmt: skip
    assert calendar(renew_link(clinic=clinic, by=user)) == 200


def test_the_link_of_another_clinic_stays(
    clinic: Clinic, user: User, member: Membership, administrator: Desk
) -> None:
    """Where the same person works too; that clinic's administrator answers for it."""
    second = f.ClinicFactory()
    there = f.MembershipFactory(
        clinic=second, user=user, role=Role.THERAPIST, therapist=f.TherapistFactory(clinic=second)
    )
    here, elsewhere = (renew_link(clinic=one, by=user) for one in (clinic, second))
    administrator.fill(member, PAGE)
    assert [calendar(secret) for secret in (here, elsewhere)] == [404, 200]
    with nothing_written():
        assert administrator.open(there, PAGE).status_code == 404


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMINISTRATOR])
def test_nobody_else_ends_it(clinic: Clinic, user: User, member: Membership, role: Role) -> None:
    """A therapist does not even see a colleague's row."""
    last = {"ends_on": "2099-01-31"} if role == Role.AUDITOR else {}
    other, secret = Desk(f.staff(clinic, role, **last)), renew_link(clinic=clinic, by=user)
    address = url(member, PAGE)
    with nothing_written():
        answers = [other.client.get(address), other.client.post(address, {})]
    refused = 404 if role == Role.THERAPIST else 403
    assert [answer.status_code for answer in answers] == [refused, refused]
    assert calendar(secret) == 200


def test_without_a_link_there_is_nothing_to_end(member: Membership, administrator: Desk) -> None:
    with nothing_written():
        answer = administrator.fill(member, PAGE)
    assert answer.refusal == "This person has no calendar link."


def test_the_button_is_there_for_who_leads_sessions(
    member: Membership, administrator: Desk
) -> None:
    page = administrator.open(member, "change").content.decode()
    own = administrator.user.memberships.get()
    assert url(member, PAGE) in page
    assert url(own, PAGE) not in administrator.open(own, "change").content.decode()
