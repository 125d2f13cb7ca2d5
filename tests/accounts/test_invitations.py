"""A person is invited, sets a password, forgets it, and comes in again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.utils import timezone

from iop_clinic.accounts import invitations, limits, tasks
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import AuditEvent, Clinic, Device, Membership, User
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.services import add_member, deactivate, invite, resend_invitation
from tests import factories
from tests.admin import Desk, desk

NEW = "a-new-long-password"
JOB = Job("test")


@pytest.fixture(autouse=True)
def _nobody_has_asked_yet() -> None:
    """The pause between two reset mails is kept by row id, which a rollback gives out again; what
    this process counts by itself stays while a busy Redis is not asked."""
    cache.clear()
    limits._own.clear()


@pytest.fixture
def clinic(db) -> Clinic:
    return factories.ClinicFactory(name="North")


@pytest.fixture
def administrator(clinic) -> User:
    return factories.staff(clinic, Role.ADMINISTRATOR)


@pytest.fixture
def invited(clinic, administrator) -> Membership:
    return invite(
        clinic=clinic, email="Rosa@Example.com", name="Rosa Lee", role=Role.COORDINATOR,
        by=administrator,
    )  # fmt: skip


def link_path(message: Any) -> str:
    found = re.search(rf"{re.escape(settings.BASE_URL)}\S+", message.body)
    assert found
    return urlsplit(found.group()).path


def html_of(message: Any) -> str:
    return str(message.alternatives[0].content)


def set_password(client, path: str, password: str = NEW, again: str | None = None):
    """Follow the link of a mail and send the form."""
    form = client.get(path, follow=True)
    return client.post(
        form.request["PATH_INFO"],
        {"new_password1": password, "new_password2": password if again is None else again},
        follow=True,
    )


def may_sign_in(client, email: str, password: str) -> bool:
    client.logout()
    client.post("/admin/login/", {"username": email, "password": password})
    return "_auth_user_id" in client.session


# --- who is invited ------------------------------------------------------------------------------


def test_an_invited_person_has_a_role_and_no_password(invited, clinic):
    assert (invited.clinic, invited.role, invited.user.email) == (
        clinic, Role.COORDINATOR, "rosa@example.com",
    )  # fmt: skip
    assert not invited.user.has_usable_password()


def test_the_mail_goes_out_once_the_person_is_saved(
    clinic, administrator, django_capture_on_commit_callbacks, monkeypatch
):
    queued: list[int] = []
    monkeypatch.setattr(tasks.mail_access, "delay", queued.append)
    with django_capture_on_commit_callbacks() as after_commit:
        membership = invite(
            clinic=clinic, email="a@example.com", name="A", role=Role.AUDITOR,
            ends_on=timezone.now().date(), by=administrator,
        )  # fmt: skip
    assert queued == []
    for callback in after_commit:
        callback()
    assert queued == [membership.pk]


def test_someone_of_another_clinic_keeps_name_and_password(invited, administrator):
    person = factories.staff(factories.ClinicFactory(), user__name="Old Name")
    before = User.objects.values().get(pk=person.pk)
    membership = invite(
        clinic=invited.clinic, email=person.email.upper(), name="Other", role=Role.FRONT_DESK,
        by=administrator,
    )  # fmt: skip
    assert membership.user == person
    assert User.objects.values().get(pk=person.pk) == before


def test_a_second_invitation_is_refused(invited, administrator):
    before = Membership.objects.count()
    with pytest.raises(Refused) as refused:
        invite(
            clinic=invited.clinic, email="ROSA@example.com", name="R", role=Role.AUDITOR,
            by=administrator,
        )  # fmt: skip
    assert (refused.value.code, refused.value.field) == ("already_member", "email")
    assert Membership.objects.count() == before


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"email": "no-address"}, "invalid", "email"),
        ({"email": "a\x00@example.com"}, "invalid", "email"),
        ({"name": "  "}, "invalid", "name"),
        ({"role": Role.THERAPIST}, "therapist_required", "therapist"),
        ({"role": Role.AUDITOR}, "last_day_required", "ends_on"),
    ],
)
def test_a_wrong_invitation_names_its_field_and_saves_nothing(
    clinic, administrator, given, code, field
):
    facts = {"email": "a@example.com", "name": "A", "role": Role.COORDINATOR, **given}
    before = (User.objects.count(), Membership.objects.count())
    with pytest.raises(Refused) as refused:
        invite(clinic=clinic, by=administrator, **facts)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert (User.objects.count(), Membership.objects.count()) == before


def test_a_therapist_signs_in_as_one_person_of_the_same_clinic(clinic, administrator):
    taken = factories.staff(clinic, Role.THERAPIST).memberships.get().therapist
    foreign = factories.TherapistFactory()
    for therapist, code in ((taken, "therapist_taken"), (foreign, "other_clinic")):
        with pytest.raises(Refused) as refused:
            invite(
                clinic=clinic, email="a@example.com", name="A", role=Role.THERAPIST,
                therapist=therapist, by=administrator,
            )  # fmt: skip
        assert refused.value.code == code
    assert not User.objects.filter(email="a@example.com").exists()


# --- the mail ------------------------------------------------------------------------------------


def test_the_invitation_has_a_neutral_subject_and_a_link(invited):
    tasks.mail_access(invited.pk)
    (message,) = mail.outbox
    assert (message.subject, message.to) == ("Set your password", ["rosa@example.com"])
    assert "North" in message.body
    assert f'href="{settings.BASE_URL}{link_path(message)}"' in html_of(message)


def test_markup_in_a_name_stays_text(invited):
    Clinic.objects.filter(pk=invited.clinic_id).update(name="<b>North</b> & Sons")
    tasks.mail_access(invited.pk)
    (message,) = mail.outbox
    assert "<b>North</b> & Sons" in message.body
    assert "&lt;b&gt;North&lt;/b&gt; &amp; Sons" in html_of(message)


def test_a_person_with_a_password_is_only_told(clinic):
    membership = factories.staff(clinic).memberships.get()
    tasks.mail_access(membership.pk)
    (message,) = mail.outbox
    assert message.subject == "Your access has changed"
    assert link_path(message) == "/admin/"


def test_no_mail_goes_to_a_person_who_lost_the_role_meanwhile(invited, administrator):
    deactivate(membership=invited, by=administrator)
    tasks.mail_access(invited.pk)
    assert mail.outbox == []


def test_resending_is_refused_once_a_password_is_set(invited, administrator):
    resend_invitation(membership=invited, by=administrator)
    invited.user.set_password(NEW)
    invited.user.save()
    with pytest.raises(Refused) as refused:
        resend_invitation(membership=invited, by=administrator)
    assert refused.value.code == "already_accepted"


# --- the link ------------------------------------------------------------------------------------


@pytest.fixture
def path(invited) -> str:
    return urlsplit(invitations.password_link(invited.user)).path


def test_the_link_sets_the_password_and_opens_the_door(client, invited, path):
    page = set_password(client, path)
    assert page.redirect_chain[-1][0] == "/account/password-set/"
    assert may_sign_in(client, "Rosa@EXAMPLE.com", NEW)


@pytest.fixture
def at_desk(db: None) -> Desk:
    return desk(factories.ClinicFactory())


def password_events(user: User) -> list[tuple[str, Any]]:
    rows = AuditEvent.objects.filter(table_name="accounts_user", row_id=user.pk, operation="U")
    return list(rows.filter(new__has_key="password").values_list("actor", "new"))


def test_a_new_password_is_in_the_trail_under_the_persons_name(client, invited, path):
    set_password(client, path)
    assert password_events(invited.user) == [(invited.user.actor, {"password": "set anew"})]


def test_a_password_changed_in_the_site_is_too_and_signs_out_every_device(at_desk):
    user = at_desk.user
    Device.objects.create(user=user, name="Tablet")
    given = {"old_password": factories.PASSWORD, "new_password1": NEW, "new_password2": NEW}
    answer = at_desk.client.post("/admin/password_change/", given)
    assert answer["Location"] == "/admin/password_change/done/"
    assert password_events(user) == [(user.actor, {"password": "set anew"})]
    assert not Device.objects.exists()
    assert at_desk.client.get("/admin/").status_code == 200


def test_the_token_leaves_the_address_bar(client, path):
    page = client.get(path)
    assert page.status_code == 302
    assert page["Location"].endswith("/set-password/")
    assert "Welcome" in client.get(page["Location"]).content.decode()


def test_the_link_works_once(client, path):
    set_password(client, path)
    client.session.flush()
    page = client.get(path)
    assert "does not work any more" in page.content.decode()
    assert page.status_code == 200


def test_the_link_expires(client, path):
    with time_machine.travel(
        timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT + 60)
    ):
        assert "does not work any more" in client.get(path).content.decode()


def test_a_changed_token_or_another_persons_link_does_not_work(client, path, clinic):
    other = factories.staff(clinic)
    token = path.split("/")[-2]
    for wrong in (path.replace(token, token[:-1] + "x"), path.replace(
        path.split("/")[-3], str(other.public_id)
    )):  # fmt: skip
        assert "does not work any more" in client.get(wrong).content.decode()


def test_a_deactivated_person_cannot_use_the_link(client, invited, path, administrator):
    deactivate(membership=invited, by=administrator)
    assert "does not work any more" in client.get(path).content.decode()


@pytest.mark.parametrize(
    ("password", "again", "message"),
    [
        ("short", "short", "too short"),
        ("password123456", "password123456", "too common"),
        (NEW, "another-long-one", "didn’t match"),
    ],
)
def test_a_weak_or_mistyped_password_is_explained(client, invited, path, password, again, message):
    page = set_password(client, path, password, again).content.decode()
    assert message in page
    assert 'aria-invalid="true"' in page
    invited.user.refresh_from_db()
    assert not invited.user.has_usable_password()


def test_a_new_password_signs_every_device_out(client, invited, path):
    Device.objects.create(user=invited.user, name="Lost tablet")
    set_password(client, path)
    assert Device.objects.count() == 0


# --- forgotten passwords -------------------------------------------------------------------------


@pytest.fixture
def queued(monkeypatch) -> list[int]:
    ids: list[int] = []
    monkeypatch.setattr(tasks.mail_reset, "delay", ids.append)
    return ids


def test_known_and_unknown_addresses_get_the_same_answer(
    client, clinic, queued, django_assert_num_queries
):
    person = factories.staff(clinic)
    answers = []
    for email in (person.email.upper(), "nobody@example.com"):
        with django_assert_num_queries(1):
            page = client.post("/account/reset/", {"email": email})
        answers.append((page.status_code, page["Location"], page.content))
    assert answers[0] == answers[1]
    assert queued == [person.pk, 0]


def test_the_reset_mail_sets_a_new_password(client, clinic):
    person = factories.staff(clinic)
    tasks.mail_reset(person.pk)
    (message,) = mail.outbox
    assert (message.subject, message.to) == ("Set your password", [person.email])
    set_password(client, link_path(message))
    assert may_sign_in(client, person.email, NEW)
    assert not may_sign_in(client, person.email, factories.PASSWORD)


def test_an_inbox_is_not_filled_from_the_reset_page(clinic):
    person = factories.staff(clinic)
    for _ in range(3):
        tasks.mail_reset(person.pk)
    assert len(mail.outbox) == 1


def test_who_may_not_sign_in_gets_no_mail(clinic, administrator):
    without_role = factories.UserFactory()
    gone = factories.staff(clinic)
    deactivate(membership=gone.memberships.get(), by=administrator)
    for key in (without_role.pk, gone.pk, 0):
        tasks.mail_reset(key)
    assert mail.outbox == []


@pytest.fixture
def asked_three_times(client, queued, settings, time_machine) -> list[int]:
    """From one address, at the beginning of a window in which nobody may ask more often."""
    settings.LIMITS = settings.LIMITS | {"resets": (3, 3600)}
    time_machine.move_to(datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC), tick=False)
    for _ in range(3):
        assert ask_for_a_link(client, "nobody@example.com").status_code == 302
    return queued


def ask_for_a_link(client, email: str, **request: Any) -> Any:
    return client.post("/account/reset/", {"email": email}, **request)


def test_who_asks_for_links_too_often_must_wait(client, clinic, asked_three_times):
    known = ask_for_a_link(client, factories.staff(clinic).email)
    unknown = ask_for_a_link(client, "somebody@example.com")
    assert (known.status_code, known["Retry-After"]) == (429, "3570")
    assert "Too many requests. Try again in 60 min." in known.content.decode()
    assert (unknown.status_code, unknown["Retry-After"]) == (429, "3570")
    assert asked_three_times == [0, 0, 0]


def test_somebody_elsewhere_may_still_ask(client, clinic, asked_three_times):
    person = factories.staff(clinic)
    assert ask_for_a_link(client, person.email, REMOTE_ADDR="198.51.100.9").status_code == 302
    assert asked_three_times == [0, 0, 0, person.pk]


def test_a_forged_address_helps_nobody_to_more_links(client, db, asked_three_times):
    answer = ask_for_a_link(client, "a@example.com", HTTP_X_FORWARDED_FOR="198.51.100.9")
    assert answer.status_code == 429


def test_the_wait_for_links_ends_with_the_window(client, db, asked_three_times, time_machine):
    time_machine.move_to(datetime(2026, 3, 2, 13, tzinfo=UTC), tick=False)
    assert ask_for_a_link(client, "a@example.com").status_code == 302


def test_a_mistyped_address_is_not_counted(client, db, asked_three_times):
    answer = ask_for_a_link(client, "nobody")
    assert (answer.status_code, answer.context["form"].errors["email"]) == (
        200, ["Enter a valid email address."],
    )  # fmt: skip


def test_a_broker_that_is_down_shows_the_same_page(client, clinic, monkeypatch):
    def refuse(key: int) -> None:
        raise tasks.mail_reset.OperationalError("down")

    monkeypatch.setattr(tasks.mail_reset, "delay", refuse)
    page = client.post("/account/reset/", {"email": factories.staff(clinic).email})
    assert page["Location"] == "/account/reset/sent/"


def test_the_sign_in_page_leads_to_the_reset_page(client, db):
    assert 'href="/account/reset/"' in client.get("/admin/login/").content.decode()


@pytest.mark.parametrize("path", ["/account/reset/", "/account/reset/sent/"])
def test_pages_load_nothing_from_elsewhere(client, db, path):
    page = client.get(path).content.decode()
    assert re.findall(r'(?:href|src)="(https?:)?//', page) == []
    assert '<meta name="viewport"' in page
    assert page.count("<h1>") == 1


# --- with a real worker and a real mail server ---------------------------------------------------


def test_the_worker_mails_the_invitation(celery_worker_process, smtp_sink):
    clinic = factories.ClinicFactory()
    add_member(clinic=clinic, email="boss@example.com", name="B", role=Role.ADMINISTRATOR, by=JOB)
    invite(clinic=clinic, email="rosa@example.com", name="Rosa", role=Role.COORDINATOR, by=JOB)
    celery_worker_process.wait_until_idle()
    (message,) = smtp_sink.messages
    assert (message["Subject"], message["To"]) == ("Set your password", "rosa@example.com")


def test_the_worker_tries_again_when_the_mail_server_was_busy(celery_worker_process, smtp_sink):
    person = factories.staff(factories.ClinicFactory())
    smtp_sink.refuse(person.email, "451 Try again later")
    tasks.mail_reset.delay(person.pk)
    celery_worker_process.wait_until_idle()
    assert smtp_sink.messages == []
    smtp_sink.refused.clear()
    celery_worker_process._wait_until(lambda: smtp_sink.messages, "mailing again")
    assert [message["To"] for message in smtp_sink.messages] == [person.email]
