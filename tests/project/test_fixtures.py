"""What tests share: a real worker, a real mail server, and the look for what was written."""

import smtplib

import pytest
from django.core.mail import EmailMessage, send_mail

from attendance.compliance.results import replay_inputs
from attendance.models import WeekResult
from iop_clinic.accounts.models import Clinic, Device
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Role
from iop_clinic.celery import app
from tests import factories
from tests.api import client_of, nothing_written
from tests.project.processes import wait_for
from tests.project.world import clinic_rows, therapist_rows


def send(to: str = "a@example.com") -> None:
    send_mail("Hello", "text", None, [to])


def test_the_sink_keeps_what_django_sends(smtp_sink):
    EmailMessage("Hello", "text", to=["a@example.com", "b@example.com"]).send()

    (message,) = smtp_sink.messages
    assert message["Subject"] == "Hello"
    assert smtp_sink.recipients == [["a@example.com", "b@example.com"]]


def test_the_sink_refuses_an_address_on_request(smtp_sink):
    smtp_sink.refuse("a@example.com", "450 Try later")

    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send("a@example.com")
    send("b@example.com")

    assert refused.value.recipients["a@example.com"][0] == 450
    assert len(smtp_sink.messages) == 1


def test_the_sink_hangs_on_request(smtp_sink, settings):
    settings.EMAIL_TIMEOUT = 0.2
    smtp_sink.hang(1)

    with pytest.raises(OSError, match="timed out"):
        send()


def test_the_sink_takes_a_message_and_drops_the_line_on_request(smtp_sink):
    smtp_sink.drop()

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send()

    assert len(smtp_sink.messages) == 1


def test_the_worker_runs_what_is_queued(celery_worker_process):
    app.send_task("celery.accumulate", args=[1, 2])

    wait_for(lambda: "celery.accumulate" in celery_worker_process.log, "received")
    celery_worker_process.wait_until_idle()

    assert "succeeded" in celery_worker_process.log


def test_a_killed_worker_is_replaced_for_the_next_test(celery_worker_process):
    celery_worker_process.kill()


def test_the_next_test_has_a_living_worker(celery_worker_process):
    assert celery_worker_process.process.poll() is None


def writes_seen(write, **how) -> bool:
    try:
        with nothing_written(**how):
            write()
    except AssertionError:
        return True
    return False


def test_whatever_is_written_is_seen(db):
    clinic = factories.ClinicFactory()
    client_of(factories.staff(clinic))
    old = Device.objects.get().last_used_at
    assert not writes_seen(lambda: None)
    assert writes_seen(factories.ClinicFactory)
    assert writes_seen(Clinic.objects.exclude(pk=clinic.pk).delete)
    assert writes_seen(lambda: Device.objects.update(last_used_at=old.replace(year=2020)))


def test_a_note_of_a_read_is_seen_when_it_is_asked_for(db):
    patient, reader = factories.PatientFactory(), factories.UserFactory()
    assert not writes_seen(lambda: note_read(patient, by=reader))
    assert writes_seen(lambda: note_read(patient, by=reader), reads=False)


def test_the_stored_week_of_the_world_follows_from_what_is_beside_it(db):
    """As any that a night has written: judging it again must find its terms."""
    clinic = factories.ClinicFactory()
    rows = therapist_rows(factories.staff(clinic, Role.THERAPIST), clinic_rows(clinic))
    assert replay_inputs(rows[WeekResult]) == []
