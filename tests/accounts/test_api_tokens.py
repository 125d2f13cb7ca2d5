"""Getting, using, listing and revoking API tokens."""

from __future__ import annotations

import datetime
import uuid
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from iop_clinic.accounts.models import AuditEvent, Device, User
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.api import API, client_of, exactly
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

TOKEN = f"{API}/auth/token/"
TOKENS = f"{API}/auth/tokens/"


@pytest.fixture
def user() -> User:
    return factories.staff(
        factories.ClinicFactory(), user=factories.UserFactory(email=f"{uuid.uuid4()}@example.com")
    )


@pytest.fixture
def anyone() -> APIClient:
    """A client whose address no other test counts attempts of."""
    return APIClient(REMOTE_ADDR=f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1")


def sign_in(client: APIClient, user: User, password: str = PASSWORD, **extra: Any) -> Any:
    return client.post(TOKEN, {"username": user.email, "password": password, **extra})


def test_a_password_buys_a_token_that_works(anyone: APIClient, user: User) -> None:
    answer = sign_in(anyone, user, device="Tablet 1")
    assert answer.status_code == 201
    assert set(answer.json()) == {"token", "expires_at", "zone"}
    expires = datetime.datetime.fromisoformat(answer.json()["expires_at"])
    assert timedelta_days(expires) == 30
    anyone.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['token']}")
    assert anyone.get(f"{API}/me/").json()["id"] == str(user.public_id)


def timedelta_days(expires: datetime.datetime) -> int:
    return round((expires - timezone.now()).total_seconds() / 86400)


def test_the_email_may_be_written_in_capitals(anyone: APIClient, user: User) -> None:
    answer = anyone.post(TOKEN, {"username": user.email.upper(), "password": PASSWORD, "otp": ""})
    assert answer.status_code == 201


def test_only_the_hash_is_stored_and_the_sign_in_is_audited(anyone: APIClient, user: User) -> None:
    token = sign_in(anyone, user).json()["token"]
    device = Device.objects.get(user=user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(d)::text FROM accounts_device d WHERE id = %s", [device.pk])
        assert token not in cursor.fetchone()[0]
    event = AuditEvent.objects.get(table_name="accounts_device", row_id=device.pk)
    assert (event.operation, event.actor) == ("I", user.actor)
    assert "digest" not in (event.new or {})


def test_wrong_password_and_unknown_name_answer_alike(anyone: APIClient, user: User) -> None:
    wrong = sign_in(anyone, user, "not-the-password")
    unknown = anyone.post(TOKEN, {"username": "nobody@example.com", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["code"] == "invalid_credentials"
    assert wrong["Content-Type"] == "application/problem+json"
    assert not Device.objects.exists()


def test_a_deactivated_person_gets_no_token(anyone: APIClient, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert sign_in(anyone, user).json()["code"] == "invalid_credentials"


def test_own_devices_and_revoking_a_lost_one(user: User) -> None:
    tablet, phone = client_of(user), client_of(user)
    listed = tablet.get(TOKENS).json()["results"]
    assert [row["current"] for row in listed] == [False, True]
    assert set(listed[0]) == {
        "id", "device", "created_at", "last_used_at", "expires_at", "zone", "current",
    }  # fmt: skip
    lost = listed[0]["id"]
    assert tablet.delete(f"{TOKENS}{lost}/").status_code == 204
    assert phone.get(f"{API}/me/").status_code == 401
    assert tablet.get(f"{API}/me/").status_code == 200


def test_times_of_a_token_are_in_the_zone_where_the_person_works(anyone: APIClient) -> None:
    clinic = factories.ClinicFactory(zone="America/Los_Angeles")
    shown = sign_in(anyone, factories.staff(clinic)).json()
    expires = datetime.datetime.fromisoformat(shown["expires_at"])
    local = expires.astimezone(ZoneInfo("America/Los_Angeles"))
    assert (shown["zone"], expires.utcoffset()) == ("America/Los_Angeles", local.utcoffset())
    nowhere = sign_in(anyone, factories.UserFactory()).json()
    assert (nowhere["zone"], nowhere["expires_at"][-6:]) == ("UTC", "+00:00")


def test_nobody_sees_or_revokes_another_persons_device(user: User) -> None:
    stranger = client_of(factories.staff(factories.ClinicFactory()))
    client_of(user)
    theirs = Device.objects.get(user=user)
    assert len(stranger.get(TOKENS).json()["results"]) == 1
    assert stranger.delete(f"{TOKENS}{theirs.public_id}/").status_code == 404
    assert stranger.delete(f"{TOKENS}{uuid.uuid4()}/").status_code == 404
    assert Device.objects.filter(pk=theirs.pk).exists()


def test_signing_out_revokes_this_token_only(user: User) -> None:
    tablet, phone = client_of(user), client_of(user)
    assert tablet.delete(TOKEN).status_code == 204
    assert tablet.get(f"{API}/me/").status_code == 401
    assert phone.get(f"{API}/me/").status_code == 200


def test_a_deactivated_user_is_out_at_once(user: User) -> None:
    client = client_of(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    answer = client.get(f"{API}/me/")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


def test_an_expired_token_is_dead(user: User) -> None:
    client = client_of(user)
    Device.objects.update(expiry=timezone.now())
    assert client.get(f"{API}/me/").status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer nonsense", "Bearer a b", "Bearer \xff\x00", "Bearer " + "a" * 64]
)
def test_what_is_not_a_token_is_401(header: str) -> None:
    answer = APIClient().get(f"{API}/me/", HTTP_AUTHORIZATION=header)
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")


def test_last_use_is_noted_once_an_hour(user: User) -> None:
    client = client_of(user)
    old = timezone.now() - datetime.timedelta(hours=2)
    Device.objects.update(last_used_at=old)
    with exactly(3):  # token and roles, note of the use, clinics
        client.get(f"{API}/me/")
    assert Device.objects.get().last_used_at > old
    with exactly(2):
        client.get(f"{API}/me/")


def test_me_names_every_clinic_with_the_role_in_it(user: User) -> None:
    second = factories.ClinicFactory(name="Zebra Clinic", zone="America/Los_Angeles")
    factories.staff(second, Role.FRONT_DESK, user=user)
    User.objects.filter(pk=user.pk).update(current_clinic=second)
    body = client_of(User.objects.get(pk=user.pk)).get(f"{API}/me/").json()
    assert body["name"] == user.name
    assert [clinic["role"] for clinic in body["clinics"]] == ["coordinator", "front_desk"]
    assert body["clinics"][1] == {
        "id": str(second.public_id),
        "name": "Zebra Clinic",
        "zone": "America/Los_Angeles",
        "role": "front_desk",
    }
    assert body["current_clinic"] == str(second.public_id)


def test_someone_without_a_role_is_in_no_clinic() -> None:
    client = client_of(factories.UserFactory())
    assert client.get(f"{API}/me/").json()["current_clinic"] is None
    answer = client.get(f"{API}/sessions/")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
