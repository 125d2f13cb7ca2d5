"""A mail that was given up: read as it went out, and sent again because a person says so."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from attendance.admin.deliveries import HEAD
from attendance.models import ComplianceReport, ReportDelivery
from attendance.reports import delivery, resending
from attendance.reports.mail import compose
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import Membership
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.admin import actors, desk
from tests.attendance.nights import reported_night, staffed_clinic

pytestmark = pytest.mark.django_db

State = ReportDelivery.State


@pytest.fixture
def clinic():
    return staffed_clinic()[0]


@pytest.fixture
def failed(clinic):
    """The coordinator's delivery after six attempts that a full mailbox refused."""
    row = reported_night(clinic)[0]
    row.state, row.attempts, row.error = State.FAILED, 6, "SMTP 452"
    row.save()
    return row


@pytest.fixture
def rung(monkeypatch):
    """The deliveries that workers were rung for."""
    calls: list[int] = []
    monkeypatch.setattr(resending, "queue_deliveries", calls.extend)
    return calls


def again(row, by=None):
    return resending.send_again(delivery=row, by=by or factories.staff(row.clinic))


def facts(row):
    row.refresh_from_db()
    return row.state, row.attempts, row.error


# --- the service ---------------------------------------------------------------------------------


def test_it_waits_for_a_worker_with_attempts_of_its_own(
    failed, rung, django_capture_on_commit_callbacks
):
    told = failed.message_id
    with django_capture_on_commit_callbacks(execute=True):
        again(failed)
    assert facts(failed) == (State.PENDING, 0, "")
    assert (failed.message_id, rung) == (told, [failed.pk])
    assert list(delivery.waiting(now=timezone.now()).filter(pk=failed.pk)) == [failed]


def test_it_is_mailed_once_under_the_same_message_id(failed, smtp_sink):
    again(failed)
    delivery.deliver(failed.pk)
    assert facts(failed) == (State.SENT, 1, "")
    (message,) = smtp_sink.messages
    assert (message["Message-ID"], message["To"]) == (failed.message_id, failed.recipient.email)


def test_a_dead_broker_costs_time_and_no_mail(
    failed, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr("attendance.reports.queue.current_app.send_task", _refuse)
    with django_capture_on_commit_callbacks(execute=True):
        again(failed)
    assert failed in delivery.waiting(now=timezone.now())  # the next tick finds it


def _refuse(*_arguments, **_options):
    raise ConnectionRefusedError


def test_the_trail_tells_who_asked_for_it(failed):
    coordinator = factories.staff(failed.clinic)
    again(failed, by=coordinator)
    assert actors(failed) == {coordinator.actor}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.SENT, "This mail was sent already."),
        (State.PENDING, "This mail is still being tried; no need to send it again."),
    ],
)
def test_what_was_not_given_up_is_refused(failed, state, said):
    ReportDelivery.objects.update(state=state, sent_at=timezone.now(), attempts=2)
    with pytest.raises(Refused, match=said):
        again(failed)
    assert facts(failed) == (state, 2, "SMTP 452")
    assert actors(failed) == set()


def test_whoever_lost_access_is_not_mailed(failed):
    Membership.objects.filter(user=failed.recipient).update(active=False)
    with pytest.raises(Refused, match="no longer receives this report"):
        again(failed)
    assert facts(failed) == (State.FAILED, 6, "SMTP 452")


def test_one_who_loses_access_meanwhile_is_not_mailed(failed, smtp_sink):
    again(failed)
    Membership.objects.filter(user=failed.recipient).update(active=False)
    delivery.deliver(failed.pk)
    assert facts(failed) == (State.DROPPED, 0, "")
    assert smtp_sink.messages == []


def test_one_who_is_a_recipient_again_gets_what_was_dropped(failed):
    ReportDelivery.objects.update(state=State.DROPPED, attempts=0, error="")
    again(failed)
    assert facts(failed) == (State.PENDING, 0, "")


# --- the pages -----------------------------------------------------------------------------------


def panel(at, report):
    found = {one.title: one for one in at.open(report, "change").context["panels_below"]}
    return found["Sent to"]


def test_a_report_says_what_became_of_each_mail(failed, clinic):
    row = next(line for line in panel(desk(clinic), failed.report).rows if "452" in line[4])
    assert row[1:5] == ("Failed", "6 of 6", "",
                        "The mail server did not take it then (SMTP 452).")  # fmt: skip
    assert reverse("admin:attendance_reportdelivery_send-again", args=[failed.pk]) in row[5]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("SMTP 550", "The mail server refused it for good (SMTP 550)."),
        ("TimeoutError", "The mail could not be handed over (TimeoutError)."),
    ],
)
def test_an_error_is_said_in_words(failed, clinic, error, said):
    ReportDelivery.objects.filter(pk=failed.pk).update(error=error)
    assert said in [line[4] for line in panel(desk(clinic), failed.report).rows]


def test_the_list_counts_sent_and_failed_mails(failed, clinic):
    ReportDelivery.objects.filter(report=failed.report).exclude(pk=failed.pk).update(
        state=State.SENT, sent_at=timezone.now()
    )
    found = desk(clinic).open(ComplianceReport, mail="failed")
    assert list(found.context["cl"].result_list) == [failed.report]
    assert "1 sent, 1 failed" in found.content.decode()


def test_the_coordinator_sends_it_again_from_the_page(failed, clinic):
    answer = desk(clinic).fill(failed, "send-again")
    assert answer.sentences == [
        f"The mail to {failed.recipient} is on its way. Its state here says when it was sent."
    ]
    assert facts(failed) == (State.PENDING, 0, "")


def test_a_refusal_is_a_sentence_on_the_page(failed, clinic):
    ReportDelivery.objects.filter(pk=failed.pk).update(state=State.SENDING, lease_until=NOON)
    answer = desk(clinic).fill(failed, "send-again")
    assert answer.refusal == "This mail is still being tried; no need to send it again."


NOON = datetime.datetime(2026, 3, 9, 16, 0, tzinfo=datetime.UTC)


def test_all_that_failed_is_sent_again_in_one_go(failed, clinic):
    rows = ReportDelivery.objects.filter(clinic=clinic).order_by("pk")
    rows.update(state=State.FAILED, attempts=6)
    rows.filter(pk=max(row.pk for row in rows)).update(
        due_at=timezone.now() - datetime.timedelta(days=15)
    )
    Membership.objects.filter(user=failed.recipient).update(active=False)
    answer = desk(clinic, Role.ADMINISTRATOR).fill(ReportDelivery, "send-failed")
    assert answer.sentences == [
        f"{rows.count() - 2} mails on the way. 1 not: no longer a recipient."
    ]
    assert rows.filter(state=State.FAILED).count() == 2


def test_where_nothing_failed_there_is_nothing_to_send(failed, clinic):
    page = desk(clinic).open(ReportDelivery, "send-failed")
    assert "1 mail of the last two weeks failed." in page.context["form"].introduction()
    failed.delete()
    page = desk(clinic).open(ReportDelivery, "send-failed")
    assert "No mail of the last two weeks has failed." in page.content.decode()
    assert not page.context["form"].submits


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.FRONT_DESK, Role.THERAPIST])
def test_who_works_no_cases_sends_nothing_again(failed, clinic, role):
    address = reverse("admin:attendance_reportdelivery_send-again", args=[failed.pk])
    assert desk(clinic, role).client.post(address).status_code in (403, 404)
    assert facts(failed) == (State.FAILED, 6, "SMTP 452")
    assert actors(failed) == set()


def test_another_clinics_delivery_does_not_exist(failed):
    stranger = desk(factories.ClinicFactory())
    address = reverse("admin:attendance_reportdelivery_send-again", args=[failed.pk])
    assert stranger.client.post(address).status_code == 404
    assert facts(failed) == (State.FAILED, 6, "SMTP 452")


# --- as mailed -----------------------------------------------------------------------------------


def mail(at, report, **query):
    address = reverse("admin:attendance_compliancereport_mail", args=[report.pk])
    return at.client.get(address, query)


def test_the_page_frames_the_very_mail_that_went_out(failed, clinic):
    shown = mail(desk(clinic), failed.report)
    (sent, _kind) = compose(failed).alternatives[0]
    assert shown.content.decode().replace(HEAD, "<head>") == sent
    page = desk(clinic).open(failed.report, "change").content.decode()
    assert f'src="{shown.wsgi_request.path}"' in page
    assert f"Subject: {compose(failed).subject}" in page


def test_its_text_part_is_the_one_that_went_out(failed, clinic):
    shown = mail(desk(clinic), failed.report, text="")
    assert shown.headers["Content-Type"] == "text/plain"
    assert shown.content.decode() == f"{compose(failed).subject}\n\n{compose(failed).body}"


def test_a_mail_runs_nothing_and_is_framed_by_this_site_only(failed, clinic):
    headers = mail(desk(clinic), failed.report).headers
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")
    assert "allow-scripts" not in headers["Content-Security-Policy"]


def test_a_mail_is_shown_to_those_who_may_open_its_report(failed, clinic):
    found = {role: mail(desk(clinic, role), failed.report).status_code for role in Role}
    assert found == {
        Role.ADMINISTRATOR: 200, Role.COORDINATOR: 200, Role.UTILIZATION_REVIEW: 200,
        Role.AUDITOR: 200, Role.FRONT_DESK: 403, Role.THERAPIST: 404,
    }  # fmt: skip
    assert mail(desk(factories.ClinicFactory()), failed.report).status_code == 404


def test_a_report_takes_seven_statements_for_1_and_for_50_deliveries(failed, clinic):
    at = desk(clinic)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            panel(at, failed.report)
        return len(captured)

    statements()  # the first page of a session writes it
    assert statements() == 7
    for number in range(50):
        ReportDelivery.objects.create(
            clinic=clinic, report=failed.report, recipient=factories.UserFactory(),
            message_id=f"<{number}@x>",
        )  # fmt: skip
    assert statements() == 7
