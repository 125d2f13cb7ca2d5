"""The address of a calendar: who gets one, what it answers, how it ends, where it is not told."""

from __future__ import annotations

import logging
import re
import socket
import uuid
from typing import Any

import pytest
import vobject
from django.conf import settings as project
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client

from iop_clinic.accounts import services as staff
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.calendar_links import renew_link, revoke_link, revoke_link_of
from iop_clinic.accounts.models import AuditEvent, CalendarLink, Clinic, Membership, User
from iop_clinic.accounts.roles import Role
from iop_clinic.logs import PrivateFormatter
from scheduling import services
from scheduling.models import Session
from tests import factories as f
from tests.admin import Desk, url
from tests.api import exactly, nothing_written
from tests.scheduling.conftest import World
from tests.web import WebProcess

UNKNOWN = "A" * 43
MALFORMED = ["x", "A" * 42, "A" * 44, "A" * 42 + "é", "../" * 15, "A" * 43 + "%00", "A" * 5000]


@pytest.fixture
def user(world: World) -> User:
    return f.staff(world.clinic, Role.THERAPIST, therapist=world.therapist)


@pytest.fixture
def secret(world: World, user: User) -> str:
    return renew_link(clinic=world.clinic, by=user)


@pytest.fixture
def phone() -> Client:
    """A phone without a login, whose address no other test counts attempts of."""
    return Client(REMOTE_ADDR=address())


def address() -> str:
    one = uuid.uuid4().hex
    return f"2001:db8:{one[:4]}:{one[4:8]}::1"


def ask(phone: Client, secret: str, **headers: Any) -> Any:
    return phone.get(f"/calendar/{secret}.ics", **headers)


def as_told(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    return answer.status_code, answer.content, dict(answer.headers)


def led(world: World, day: str = "2026-03-03") -> Session:
    return world.group_session(day, therapist=world.therapist)


# --- the answer ----------------------------------------------------------------------------------


def test_a_phone_without_a_login_reads_the_owners_sessions(
    world: World, secret: str, phone: Client
) -> None:
    row = led(world)
    world.group_session("2026-03-04", therapist=f.TherapistFactory(clinic=world.clinic))
    answer = ask(phone, secret)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    assert (answer["Cache-Control"], answer["Referrer-Policy"]) == (
        "private, no-cache",
        "no-referrer",
    )
    whole = vobject.readOne(answer.content.decode())
    assert [one.uid.value for one in whole.vevent_list] == [str(row.public_id)]
    assert whole.contents["x-wr-calname"][0].value == f"Sessions, {world.clinic.name}"
    assert not answer.cookies


def test_head_answers_with_the_headers_of_a_get(world: World, secret: str, phone: Client) -> None:
    led(world)
    got, head = ask(phone, secret), phone.head(f"/calendar/{secret}.ics")
    assert (head.status_code, head.content, dict(head.headers)) == (200, b"", dict(got.headers))


def test_an_unchanged_calendar_is_not_sent_again(world: World, secret: str, phone: Client) -> None:
    row = led(world)
    etag = ask(phone, secret)["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        again = ask(phone, secret, HTTP_IF_NONE_MATCH=known)
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
        assert again["Cache-Control"] == "private, no-cache"
    services.cancel_session(session=row, reason="Snow", by=world.by)
    changed = ask(phone, secret, HTTP_IF_NONE_MATCH=etag)
    assert changed.status_code == 200
    assert changed["ETag"] != etag


def test_only_reading_is_offered(secret: str, phone: Client) -> None:
    with nothing_written():
        assert phone.post(f"/calendar/{secret}.ics").status_code == 405
        assert phone.delete(f"/calendar/{secret}.ics").status_code == 405


@pytest.mark.parametrize("number", [1, 40])
def test_it_takes_three_statements(world: World, secret: str, phone: Client, number: int) -> None:
    for n in range(number):
        hour = 8 + n % 10
        world.session(
            f"2026-03-{3 + n // 10:02}", f"{hour:02}:00", f"{hour:02}:50",
            therapist=world.therapist, group=f.GroupFactory(clinic=world.clinic),
            room=f.RoomFactory(clinic=world.clinic),
        )  # fmt: skip
    with exactly(3):
        answer = ask(phone, secret)
    assert answer.content.count(b"BEGIN:VEVENT") == number
    with exactly(3):
        assert ask(phone, secret, HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304


def test_a_calendar_without_a_session_is_a_calendar(secret: str, phone: Client) -> None:
    with exactly(2):
        answer = ask(phone, secret)
    assert answer.status_code == 200
    assert vobject.readOne(answer.content.decode()).contents.get("vevent") is None


# --- when it answers nothing ---------------------------------------------------------------------


def end_access(world: World, user: User) -> None:
    staff.deactivate(membership=user.memberships.get(), by=world.by)


def pass_last_day(world: World, user: User) -> None:
    user.memberships.update(ends_on="2026-03-01")


def deactivate(world: World, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def close_clinic(world: World, user: User) -> None:
    Clinic.objects.filter(pk=world.clinic.pk).update(active=False)


def lead_nothing(world: World, user: User) -> None:
    user.memberships.update(role=Role.COORDINATOR, therapist=None)


def renew(world: World, user: User) -> None:
    renew_link(clinic=world.clinic, by=user)


def revoke(world: World, user: User) -> None:
    revoke_link(clinic=world.clinic, by=user)


def end_from_the_desk(world: World, user: User) -> None:
    revoke_link_of(membership=user.memberships.get(), by=world.by)


ENDINGS = [revoke, end_from_the_desk, renew, end_access, pass_last_day, deactivate, close_clinic]


@pytest.mark.parametrize("end", [*ENDINGS, lead_nothing])
def test_a_link_that_ended_is_like_one_that_never_was(
    world: World, user: User, secret: str, phone: Client, end: Any
) -> None:
    led(world)
    assert ask(phone, secret).status_code == 200
    end(world, user)
    never = ask(phone, UNKNOWN)
    assert never.status_code == 404
    assert never["Cache-Control"] == "private, no-store"
    assert as_told(ask(phone, secret)) == as_told(never)


@pytest.mark.parametrize("wrong", MALFORMED)
def test_a_malformed_link_is_like_one_that_never_was(db: None, phone: Client, wrong: str) -> None:
    never = as_told(ask(phone, UNKNOWN))
    with exactly(0):
        assert as_told(ask(phone, wrong)) == never


def test_access_given_again_does_not_bring_the_old_link_back(
    world: World, user: User, secret: str, phone: Client
) -> None:
    end_access(world, user)
    staff.add_member(
        clinic=world.clinic, email=user.email, name=user.name, role=Role.THERAPIST,
        therapist=world.therapist, by=world.by,
    )  # fmt: skip
    assert ask(phone, secret).status_code == 404
    assert not CalendarLink.objects.exists()


def test_another_person_on_the_same_therapists_row_does_not_inherit_the_link(
    world: World, user: User, secret: str, phone: Client
) -> None:
    lead_nothing(world, user)
    f.staff(world.clinic, Role.THERAPIST, therapist=world.therapist)
    assert ask(phone, secret).status_code == 404


# --- guessing ------------------------------------------------------------------------------------


def test_wrong_links_are_counted_by_address(secret: str, phone: Client, settings: Any) -> None:
    settings.LIMITS = {**settings.LIMITS, "calendars": (3, 900)}
    wrong = [ask(phone, one).status_code for one in (UNKNOWN, "x", UNKNOWN, UNKNOWN)]
    assert wrong == [404, 404, 404, 429]
    answer = ask(phone, secret)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 900
    assert b"VCALENDAR" not in answer.content
    assert ask(Client(REMOTE_ADDR=address()), secret).status_code == 200


def test_the_right_link_is_never_counted(secret: str, phone: Client, settings: Any) -> None:
    settings.LIMITS = {**settings.LIMITS, "calendars": (2, 900)}
    assert [ask(phone, secret).status_code for _ in range(4)] == [200] * 4


def test_a_forwarded_address_is_not_believed(db: None, phone: Client, settings: Any) -> None:
    settings.LIMITS = {**settings.LIMITS, "calendars": (2, 900)}
    asked = [ask(phone, UNKNOWN, HTTP_X_FORWARDED_FOR=f"203.0.113.{n}") for n in range(3)]
    assert [answer.status_code for answer in asked] == [404, 404, 429]


def test_without_redis_the_right_link_is_served_and_a_wrong_one_is_404(
    secret: str, phone: Client, settings: Any, tmp_path: Any
) -> None:
    gone = {**settings.CACHES["default"], "LOCATION": f"unix://{tmp_path}/nobody-listens.sock"}
    settings.CACHES = {"default": gone}
    assert ask(phone, UNKNOWN).status_code == 404
    assert ask(phone, secret).status_code == 200


# --- the secret ----------------------------------------------------------------------------------


def test_only_its_hash_is_stored_and_the_trail_has_not_even_that(
    world: World, user: User, secret: str
) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret), "256 bits in a form that any address takes"
    row = CalendarLink.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(l)::text FROM accounts_calendarlink l")
        assert secret not in cursor.fetchone()[0]
    renew_link(clinic=world.clinic, by=user)
    revoke_link(clinic=world.clinic, by=user)
    trail = AuditEvent.objects.filter(table_name="accounts_calendarlink", row_id=row.pk)
    assert [(one.operation, one.actor) for one in trail.order_by("pk")] == [
        (step, user.actor) for step in "IUD"
    ]
    assert not any(row.digest in f"{one.old}{one.new}" for one in trail)


def test_two_links_have_nothing_in_common(world: World, user: User, secret: str) -> None:
    assert renew_link(clinic=world.clinic, by=user) != secret
    assert CalendarLink.objects.count() == 1


@pytest.mark.parametrize("who", ["front desk", "elsewhere", "left"])
def test_who_leads_nothing_here_gets_no_link(world: World, user: User, who: str) -> None:
    asking = {
        "front desk": lambda: f.staff(world.clinic, Role.FRONT_DESK),
        "elsewhere": lambda: f.staff(f.ClinicFactory(), Role.THERAPIST),
        "left": lambda: user,
    }[who]()
    Membership.objects.filter(user=user).update(active=False)
    code = "not_a_therapist" if who == "front desk" else "not_active"
    with nothing_written(), pytest.raises(Refused) as refused:
        renew_link(clinic=world.clinic, by=asking)
    assert refused.value.code == code


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_log_line_has_the_secret(
    world: World, user: User, secret: str, phone: Client, caplog: Any, method: str, ended: bool
) -> None:
    if ended:
        revoke(world, user)
    with caplog.at_level(logging.DEBUG):
        getattr(phone, method)(f"/calendar/{secret}.ics")
        phone.get(f"/calendar/{secret}")  # mistyped: no route of ours
    raw = [record.getMessage() for record in caplog.records]
    assert f"Not Found: /calendar/{secret}" in raw, "the framework logs paths"
    told = [PrivateFormatter().format(record) for record in caplog.records]
    assert not any(secret in line for line in told)
    assert "Not Found: /calendar/(withheld)" in told


def test_every_handler_writes_with_the_formatter_that_withholds() -> None:
    logging_of: Any = project.LOGGING
    assert {one["formatter"] for one in logging_of["handlers"].values()} == {"line"}
    assert logging_of["formatters"]["line"]["()"] == "iop_clinic.logs.PrivateFormatter"
    assert logging_of["loggers"]["django.server"]["handlers"] == ["console"]


@pytest.mark.django_db(transaction=True)
def test_a_real_web_server_writes_it_nowhere() -> None:
    """Even with an access log, and for requests that it cannot read."""
    clinic = f.ClinicFactory()
    user = f.staff(clinic, Role.THERAPIST)
    path = f"/calendar/{renew_link(clinic=clinic, by=user)}.ics"
    web = WebProcess(workers=1, threads=1, GUNICORN_CMD_ARGS="--access-logfile - --log-level debug")
    try:
        got, head = sent(web, f"GET {path} HTTP/1.1"), sent(web, f"HEAD {path} HTTP/1.1")
        broken = sent(web, f"GET {path} HTTP/9.9")
        log = web.log
    finally:
        web.stop()
    assert got.endswith(b"END:VCALENDAR\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert head.partition(b"\r\n")[0] == got.partition(b"\r\n")[0] == b"HTTP/1.1 200 OK"
    assert broken.startswith(b"HTTP/1.1 4")
    assert '"GET /calendar/(withheld) HTTP/1.1" 200' in log
    assert path not in log


def sent(web: WebProcess, line: str) -> bytes:
    """All that the server answers to one request."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as link:
        link.sendall(f"{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: link.recv(65536), b""))


# --- getting it ----------------------------------------------------------------------------------


def link_in(html: str) -> str:
    (found,) = re.findall(r'<code class="clinic-secret">(.*?)</code>', html)
    return str(found)


def form(user: User, **data: Any) -> tuple[Any, str]:
    answer = Desk(user).fill(Session, "calendar-link", **data)
    return answer, answer.html


def path_of(link: str) -> str:
    return link.removeprefix(project.BASE_URL)


def test_a_therapist_makes_a_link_renews_it_and_ends_it(
    world: World, user: User, phone: Client
) -> None:
    led(world)
    answer, html = form(user)
    assert answer.sentences == ["This is your link. It is shown only now."]
    first = path_of(link_in(html))
    assert phone.get(first).status_code == 200
    second = path_of(link_in(form(user, what="renew")[1]))
    assert [phone.get(one).status_code for one in (first, second)] == [404, 200]
    answer, html = form(user, what="revoke")
    assert (answer.status, answer.location, "clinic-secret" in html) == (302, url(Session), False)
    assert [phone.get(one).status_code for one in (first, second)] == [404, 404]


def test_the_link_is_shown_once_and_kept_by_nobody(world: World, user: User) -> None:
    desk = Desk(user)
    made = desk.client.post(url(Session, "calendar-link"), {})
    secret = link_in(made.content.decode()).rsplit("/", 1)[1]
    assert "no-store" in made["Cache-Control"]
    assert not any(secret in cookie.value for cookie in made.cookies.values())
    assert not any(secret in str(one) for one in get_messages(made.wsgi_request))
    again = desk.open(Session, "calendar-link").content.decode()
    assert "Your link was made on Mar 2, 2026." in again
    assert "clinic-secret" not in again


def test_a_new_link_must_be_meant(user: User, secret: str, phone: Client) -> None:
    desk = Desk(user)
    with nothing_written():
        answer = desk.fill(Session, "calendar-link", what="")
    assert answer.errors == {"what": ["This field is required."]}
    assert ask(phone, secret).status_code == 200


def test_the_button_is_there_for_who_leads_sessions(world: World, user: User) -> None:
    button = url(Session, "calendar-link")
    assert button in Desk(user).open(Session).content.decode()
    front_desk = Desk(f.staff(world.clinic, Role.FRONT_DESK))
    assert button not in front_desk.open(Session).content.decode()


def test_who_leads_nothing_is_told_so(world: World) -> None:
    front_desk = Desk(f.staff(world.clinic, Role.FRONT_DESK))
    page = front_desk.open(Session, "calendar-link").content.decode()
    assert "You lead no sessions in this clinic" in page
    with nothing_written():
        answer = front_desk.send(url(Session, "calendar-link"), {})
    assert answer.refusal == "You lead no sessions in this clinic."


def test_everybody_makes_and_ends_their_own_only(
    world: World, user: User, secret: str, phone: Client
) -> None:
    colleague = f.staff(world.clinic, Role.THERAPIST)
    form(colleague)
    form(colleague, what="revoke")
    assert ask(phone, secret).status_code == 200
