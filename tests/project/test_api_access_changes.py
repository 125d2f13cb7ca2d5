"""What somebody may see and do ends with the request after the one that took it away."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from iop_clinic.accounts import services as staff
from iop_clinic.accounts.models import Membership, User
from iop_clinic.accounts.roles import Role
from scheduling.services import assign_substitute
from tests import factories
from tests.api import AFTER, API, Roster, client_of, nothing_written, roster
from tests.project.access import Cast, ask, offered
from tests.project.test_api_access import ROUTES

pytestmark = pytest.mark.django_db


@pytest.fixture
def r(time_machine: Any) -> Roster:
    time_machine.move_to(AFTER, tick=False)
    return roster(2)


@pytest.fixture
def admin(r: Roster) -> User:
    return factories.staff(r.clinic, Role.ADMINISTRATOR)


def membership(user: User) -> Membership:
    return user.memberships.get()


def everything(client: APIClient, r: Roster) -> list[int]:
    """The answers to a roster read, one recorded, one record corrected and one withdrawn."""
    booking = f"{API}/bookings/{r.bookings[0].public_id}"
    return [
        client.get(r.url).status_code,
        client.patch(f"{r.url}attendance/", {"all_present": True}).status_code,
        client.get(f"{booking}/attendance/").status_code,
        client.patch(f"{booking}/attendance/", {}, HTTP_IF_MATCH='"1"').status_code,
    ]


def refused(client: APIClient, r: Roster, status: int = 404) -> None:
    with nothing_written(reads=False):
        assert everything(client, r) == [status] * 4


ALL_DONE = [200] * 4


def test_a_substitute_reads_and_records_while_covering_not_before_and_not_after(
    r: Roster, admin: User, time_machine: Any
) -> None:
    therapist = factories.TherapistFactory(clinic=r.clinic)
    client = client_of(factories.staff(r.clinic, Role.THERAPIST, therapist=therapist))
    refused(client, r)
    assign_substitute(session=r.session, therapist=therapist, by=admin)
    assert everything(client, r) == ALL_DONE
    time_machine.move_to(r.session.ends_at + datetime.timedelta(days=7, seconds=-1), tick=False)
    assert everything(client, r) == ALL_DONE
    time_machine.move_to(r.session.ends_at + datetime.timedelta(days=7), tick=False)
    refused(client, r)


def test_a_substitute_records_from_half_an_hour_before_the_start(
    r: Roster, admin: User, time_machine: Any
) -> None:
    therapist = factories.TherapistFactory(clinic=r.clinic)
    client = client_of(factories.staff(r.clinic, Role.THERAPIST, therapist=therapist))
    early = r.session.starts_at - datetime.timedelta(minutes=31)
    time_machine.move_to(early, tick=False)
    assign_substitute(session=r.session, therapist=therapist, by=admin)
    with nothing_written():
        answer = client.patch(f"{r.url}attendance/", {"all_present": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "session_in_future")
    time_machine.move_to(early + datetime.timedelta(minutes=1), tick=False)
    assert client.patch(f"{r.url}attendance/", {"all_present": True}).status_code == 200


def test_who_is_relieved_by_another_substitute_is_out(r: Roster, admin: User) -> None:
    first, second = (factories.TherapistFactory(clinic=r.clinic) for _ in range(2))
    client = client_of(factories.staff(r.clinic, Role.THERAPIST, therapist=first))
    assign_substitute(session=r.session, therapist=first, by=admin)
    assert client.get(r.url).status_code == 200
    assign_substitute(session=r.session, therapist=second, by=admin)
    refused(client, r)


def test_a_deactivated_person_is_out_at_once(r: Roster) -> None:
    client = r.client
    assert everything(client, r) == ALL_DONE
    User.objects.filter(pk=r.user.pk).update(is_active=False)
    refused(client, r, 401)


def test_a_deactivated_person_is_out_of_the_browsers_session_too(r: Roster) -> None:
    client = APIClient()
    client.force_login(r.user)
    assert client.get(r.url).status_code == 200
    User.objects.filter(pk=r.user.pk).update(is_active=False)
    refused(client, r, 401)


def test_a_browsers_session_writes_only_with_its_csrf_token(r: Roster) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(r.user)
    with nothing_written():
        answer = client.patch(f"{r.url}attendance/", {"all_present": True})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def test_a_role_taken_away_stops_at_once(r: Roster, admin: User) -> None:
    client = r.client
    factories.staff(factories.ClinicFactory(), user=r.user)
    assert everything(client, r) == ALL_DONE
    staff.deactivate(membership=r.user.memberships.get(clinic=r.clinic), by=admin)
    refused(client, r)
    assert client.get(f"{API}/sessions/?from=2026-03-02").json()["results"] == []
    (left,) = client.get(f"{API}/me/").json()["clinics"]
    assert left["role"] == "coordinator"


def test_the_last_role_taken_away_ends_every_token(r: Roster, admin: User) -> None:
    client = r.client
    staff.deactivate(membership=membership(r.user), by=admin)
    refused(client, r, 401)


def test_a_smaller_role_holds_from_the_next_request_on(r: Roster, admin: User) -> None:
    person = factories.staff(r.clinic, Role.COORDINATOR)
    client = client_of(person)
    assert everything(client, r) == ALL_DONE
    staff.set_role(membership=membership(person), role=Role.FRONT_DESK, by=admin)
    with nothing_written():
        assert everything(client, r) == [200, 403, 200, 403]


def repeatable() -> list[tuple[str, str]]:
    """Calls that may be sent again with their key, of those that are done."""
    views = offered()
    return [
        (name, method)
        for (name, method), route in ROUTES.items()
        if route.gives < 300
        and getattr(getattr(views[name, method], method.lower()), "idempotent", False)
    ]


@pytest.mark.parametrize(("name", "method"), repeatable())
def test_a_call_sent_again_is_answered_by_what_one_may_now(
    cast: Cast, name: str, method: str
) -> None:
    alice, person = cast.parties["alice"], cast.people["coordinator"]
    route = ROUTES[name, method]
    keyed = dataclasses.replace(route, headers=route.headers | {"HTTP_IDEMPOTENCY_KEY": "once"})
    first = ask(person, name, method, keyed, alice.ids)
    access = Membership.objects.filter(user=person.user)
    with nothing_written():
        again = ask(person, name, method, keyed, alice.ids)
        assert (again.status_code, again.content) == (route.gives, first.content)
    access.update(role=Role.AUDITOR, ends_on="2026-12-31")
    with nothing_written(reads=False):
        smaller = ask(person, name, method, keyed, alice.ids)
    access.update(active=False)
    with nothing_written(reads=False):
        none = ask(person, name, method, keyed, alice.ids)
    assert (smaller.status_code, none.status_code) == (403, 404)


def test_a_therapist_who_moved_to_another_clinic_sees_the_old_one_no_more(
    r: Roster, admin: User
) -> None:
    client, elsewhere = r.client, factories.ClinicFactory()
    therapist = factories.TherapistFactory(clinic=elsewhere)
    theirs = roster(1, clinic=elsewhere, therapist=therapist, user=r.user)
    refused(client, theirs)
    factories.staff(elsewhere, Role.THERAPIST, therapist=therapist, user=r.user)
    staff.deactivate(membership=r.user.memberships.get(clinic=r.clinic), by=admin)
    refused(client, r)
    assert everything(client, theirs) == ALL_DONE
    shown = client.get(f"{API}/sessions/").json()["results"]
    assert [row["id"] for row in shown] == [str(theirs.session.public_id)]


def test_an_auditors_last_day_ends_at_the_clinics_midnight(r: Roster, time_machine: Any) -> None:
    auditor = client_of(factories.staff(r.clinic, Role.AUDITOR, ends_on="2026-03-02"))
    time_machine.move_to("2026-03-03T04:59:59Z", tick=False)  # 23:59:59 in New York
    assert auditor.get(r.url).status_code == 200
    time_machine.move_to("2026-03-03T05:00:00Z", tick=False)
    refused(auditor, r)
