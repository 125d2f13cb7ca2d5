"""Who asks too often is told to wait; nobody gets round it, and no stranger locks anybody out."""

from __future__ import annotations

import datetime
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.urls import reverse
from rest_framework.test import APIClient

from iop_clinic import settings as settings_file
from iop_clinic.accounts import limits
from iop_clinic.accounts.models import User
from tests import factories
from tests.api import API, client_of, nothing_written
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

TOKEN = f"{API}/auth/token/"
ME = f"{API}/me/"
NOON = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)  # a window of any length begins


def address() -> str:
    """A network that no other test counts."""
    return f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"


@pytest.fixture
def user() -> User:
    email = f"{uuid.uuid4()}@example.com"
    return factories.staff(
        factories.ClinicFactory(), user=factories.UserFactory(email=email, name="Ana Ito")
    )


@pytest.fixture
def limit(settings: Any, time_machine: Any) -> Any:
    """Sets limits of so many times in a quarter of an hour, at whose beginning it is."""
    time_machine.move_to(NOON, tick=False)

    def change(**times: int) -> None:
        settings.LIMITS = settings.LIMITS | {what: (n, 900) for what, n in times.items()}

    return change


def sign_in(name: str, password: str = "wrong", at: str = "", **headers: Any) -> Any:
    client = APIClient(REMOTE_ADDR=at or address())
    return client.post(TOKEN, {"username": name, "password": password}, **headers)


def guesses(number: int, name: str, **where: Any) -> list[int]:
    return [sign_in(name, **where).status_code for _ in range(number)]


def anybody() -> str:
    return f"{uuid.uuid4()}@example.com"


# --- passwords -----------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_guesses_of_one_name_from_one_address_end(known: bool, limit: Any, user: User) -> None:
    limit(sign_in=3)
    name, here = user.email if known else anybody(), address()
    assert guesses(4, name, at=here) == [401, 401, 401, 429]
    with nothing_written():
        answer = sign_in(name, PASSWORD, at=here)
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert (answer.json()["code"], answer["Retry-After"]) == ("throttled", "900")


def test_the_wait_ends_with_the_window(limit: Any, user: User, time_machine: Any) -> None:
    limit(sign_in=1)
    here = address()
    guesses(2, user.email, at=here)
    time_machine.move_to(NOON + datetime.timedelta(seconds=899.5), tick=False)
    assert sign_in(user.email, PASSWORD, at=here)["Retry-After"] == "1"
    time_machine.move_to(NOON + datetime.timedelta(seconds=900), tick=False)
    assert sign_in(user.email, PASSWORD, at=here).status_code == 201


@pytest.mark.parametrize(
    "spellings",
    [
        ["ana.{}@example.com", "ANA.{}@EXAMPLE.COM", "  Ana.{}@Example.com "],
        ["ana.{}@example.com", "\uff41na.{}@example.com", "\uff41na.{}\uff20example.com"],
        ["jos\u00e9.{}@example.com", "jose\u0301.{}@example.com", "JOSE\u0301.{}@EXAMPLE.COM"],
        ["strasse.{}@example.com", "stra\u00dfe.{}@example.com", "STRASSE.{}@example.com"],
        ["kim.{}@example.com", "\u212aim.{}@example.com", "KIM.{}@example.com"],
    ],
    ids=["capitals and blanks", "widths", "accents", "sharp s", "Kelvin sign"],
)
def test_the_spellings_of_a_name_count_together(spellings: list[str], limit: Any) -> None:
    limit(sign_in=3)
    here, mark = address(), uuid.uuid4().hex
    for name in spellings:
        assert sign_in(name.format(mark), at=here).status_code == 401
    assert sign_in(spellings[0].format(mark), at=here).status_code == 429


def test_many_names_from_one_address_end_too(limit: Any, user: User) -> None:
    limit(sign_in_address=3)
    here = address()
    assert [sign_in(anybody(), at=here).status_code for _ in range(4)] == [401, 401, 401, 429]
    assert sign_in(user.email, PASSWORD, at=here).status_code == 429
    assert sign_in(user.email, PASSWORD).status_code == 201


def test_a_host_that_takes_another_address_of_its_network_stays_one_host(limit: Any) -> None:
    limit(sign_in_address=3)
    network = address().removesuffix("::1")
    found = [sign_in(anybody(), at=f"{network}::{n}").status_code for n in range(1, 5)]
    assert found == [401, 401, 401, 429]


def test_the_right_password_is_never_counted(limit: Any, user: User) -> None:
    limit(sign_in=2, sign_in_address=2, sign_in_name=2)
    here = address()
    assert [sign_in(user.email, PASSWORD, at=here).status_code for _ in range(4)] == [201] * 4


def test_the_right_password_forgives_the_wrong_ones_of_the_name(limit: Any, user: User) -> None:
    limit(sign_in=2)
    here = address()
    for _ in range(3):
        assert sign_in(user.email, at=here).status_code == 401
        assert sign_in(user.email, PASSWORD, at=here).status_code == 201


def test_it_does_not_forgive_those_of_other_names(limit: Any, user: User) -> None:
    limit(sign_in_address=3)
    here = address()
    tried = [anybody(), anybody(), user.email, anybody(), anybody()]
    found = [sign_in(name, PASSWORD, at=here).status_code for name in tried]
    assert found == [401, 401, 201, 401, 429]


def test_a_stranger_does_not_lock_a_person_out(limit: Any, user: User) -> None:
    limit(sign_in=3)
    assert guesses(5, user.email, at=address())[-1] == 429
    assert sign_in(user.email, PASSWORD).status_code == 201


def test_not_even_from_all_over_the_world_from_where_the_person_was_before(
    limit: Any, user: User
) -> None:
    limit(sign_in_name=5)
    home = address()
    assert sign_in(user.email, PASSWORD, at=home).status_code == 201
    assert guesses(6, user.email) == [401] * 5 + [429]  # each from another network
    assert sign_in(user.email, PASSWORD).status_code == 429
    assert sign_in(user.email, PASSWORD, at=home).status_code == 201


def test_the_admin_site_and_the_api_count_together(limit: Any, user: User) -> None:
    limit(sign_in=3)
    here = address()
    assert guesses(2, user.email, at=here) == [401, 401]
    third, right = admin_page(user, "wrong", here), admin_page(user, PASSWORD, here)
    assert "do not belong together" in third
    assert "Too many attempts. Try again in 15 min." in right
    assert sign_in(user.email, PASSWORD, at=here).status_code == 429


def admin_page(user: User, password: str, at: str) -> str:
    client = Client(REMOTE_ADDR=at)
    answer = client.post(reverse("admin:login"), {"username": user.email, "password": password})
    return answer.content.decode()


# --- requests ------------------------------------------------------------------------------------


def test_a_users_requests_count_together_on_all_devices(limit: Any, user: User) -> None:
    tablet, phone, other = client_of(user), client_of(user), client_of(factories.UserFactory())
    limit(requests_user=3)
    assert [c.get(ME).status_code for c in (tablet, phone, tablet)] == [200] * 3
    with nothing_written(reads=False):
        answer = phone.get(ME)
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert (answer.json()["code"], answer["Retry-After"]) == ("throttled", "900")
    assert other.get(ME).status_code == 200


@pytest.mark.parametrize("method", ["get", "head", "post", "patch", "delete", "options"])
def test_whatever_a_user_asks_is_counted(method: str, limit: Any, user: User) -> None:
    client = client_of(user)
    limit(requests_user=1)
    assert client.get(ME).status_code == 200
    assert getattr(client, method)(f"{API}/sessions/").status_code == 429


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Bearer " + "a" * 64])
def test_requests_without_a_live_token_count_by_address(token: str, limit: Any, user: User) -> None:
    live, here = client_of(user), address()
    limit(requests_address=3)
    dead = APIClient(REMOTE_ADDR=here, HTTP_AUTHORIZATION=token)
    assert [dead.get(ME).status_code for _ in range(4)] == [401, 401, 401, 429]
    assert live.get(ME, REMOTE_ADDR=here).status_code == 200  # behind the same router
    assert APIClient(REMOTE_ADDR=address()).get(ME).status_code == 401


@pytest.mark.parametrize("page", ["schema", "docs"])
def test_pages_for_everybody_are_counted_too(page: str, limit: Any) -> None:
    limit(requests_address=1)
    client = APIClient(REMOTE_ADDR=address())
    assert client.get(f"{API}/{page}/").status_code == 200
    answer = client.get(f"{API}/{page}/")
    assert (answer.status_code, answer["Retry-After"]) == (429, "900")


# --- behind proxies ------------------------------------------------------------------------------


def forwarded(proxies: int, client: str, forged: str) -> dict[str, Any]:
    """What reaches the web server: each proxy adds whom it heard to what the client forged."""
    route = [client, *(f"10.0.0.{n}" for n in range(1, proxies + 1))]
    return {"HTTP_X_FORWARDED_FOR": ", ".join([forged, *route[:-1]]), "REMOTE_ADDR": route[-1]}


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_a_forged_address_helps_nobody_behind_the_stated_proxies(
    proxies: int, limit: Any, settings: Any
) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": proxies}
    limit(sign_in_address=3)
    here, there = address(), address()
    found = [
        sign_in(anybody(), **forwarded(proxies, here, f"203.0.113.{n}")).status_code
        for n in range(4)
    ]
    assert found == [401, 401, 401, 429]
    assert sign_in(anybody(), **forwarded(proxies, there, here)).status_code == 401


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_nobody_is_taken_for_another(proxies: int, settings: Any) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": proxies}
    victim, here = "198.51.100.7", "203.0.113.9"
    for forged in (victim, f"{victim}, {victim}", f"{victim}, {victim}, {victim}", "", ",,"):
        request = RequestFactory().get("/", **forwarded(proxies, here, forged))
        assert limits.address_of(request) == here


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:51234", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::6]:443", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("_hidden", "unknown"),
    ],
)
def test_which_address_is_counted(said: str, counted: str) -> None:
    assert limits.address_of(RequestFactory().get("/", REMOTE_ADDR=said)) == counted


# --- without Redis -------------------------------------------------------------------------------


@pytest.fixture
def dead_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(settings, monkeypatch, "redis://127.0.0.1:1/2")


def _use(settings: Any, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    default = settings.CACHES["default"] | {"LOCATION": url}
    settings.CACHES = settings.CACHES | {"default": default}
    monkeypatch.setattr(limits, "_away_until", 0.0)


@pytest.mark.usefixtures("dead_redis")
def test_without_redis_people_work_and_sign_in(limit: Any, user: User) -> None:
    client = client_of(user)
    assert client.get(ME).status_code == 200
    here = address()
    assert sign_in(user.email, PASSWORD, at=here).status_code == 201
    assert "Too many" not in admin_page(user, PASSWORD, here)


@pytest.mark.usefixtures("dead_redis")
def test_without_redis_each_process_counts_for_itself(limit: Any, user: User) -> None:
    limit(sign_in=3, requests_user=3)
    here = address()
    assert guesses(4, user.email, at=here) == [401, 401, 401, 429]
    assert sign_in(user.email, PASSWORD).status_code == 201
    client = client_of(user)
    assert [client.get(ME).status_code for _ in range(4)] == [200, 200, 200, 429]


@pytest.fixture
def silent_redis() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listening:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/2"


def test_a_redis_that_hangs_holds_one_request_up_and_not_for_long(
    silent_redis: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(settings, monkeypatch, silent_redis)
    waits = []
    for _ in range(20):
        start = time.perf_counter()
        assert limits.count(f"test:{uuid.uuid4()}", limits.Limit(3, 900)) == 1
        waits.append(time.perf_counter() - start)
    assert waits[0] < 3 * limits.PATIENCE
    assert sum(waits[1:]) < limits.PATIENCE


# --- settings ------------------------------------------------------------------------------------


def test_a_limit_is_read_as_times_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_file.times_in("LIMIT_TEST", "10/900") == (10, 900)
    monkeypatch.setenv("LIMIT_TEST", "7/60")
    assert settings_file.times_in("LIMIT_TEST", "10/900") == (7, 60)


@pytest.mark.parametrize("value", ["10", "10/", "/60", "0/60", "10/0", "-1/60", "10/min", "a"])
def test_a_limit_that_cannot_be_one_stops_the_start(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMIT_TEST", value)
    with pytest.raises(ImproperlyConfigured, match="LIMIT_TEST must be times/seconds"):
        settings_file.times_in("LIMIT_TEST", "10/900")
