"""One mail to one person, through a real SMTP server that misbehaves."""

import datetime
import smtplib
import threading

import pytest
from django.db import connection
from django.utils import timezone

from attendance.models import ReportDelivery
from attendance.reports import delivery
from iop_clinic.accounts.models import Membership
from iop_clinic.accounts.roles import Role
from tests import factories
from tests.attendance.nights import reported_night, staffed_clinic

pytestmark = pytest.mark.django_db

State = ReportDelivery.State


@pytest.fixture
def deliveries(smtp_sink):
    """Five recipients' deliveries of one night."""
    return reported_night(staffed_clinic(therapists=3)[0])


def rows(*fields):
    return list(ReportDelivery.objects.order_by("recipient").values_list(*fields))


def make_due(row):
    past = timezone.now() - datetime.timedelta(seconds=1)
    ReportDelivery.objects.filter(pk=row.pk).update(due_at=past, lease_until=past)


def send_all(deliveries):
    for row in deliveries:
        delivery.deliver(row.pk)


def test_each_recipient_gets_one_mail_with_the_deliverys_id(deliveries, smtp_sink):
    send_all(deliveries)
    send_all(deliveries)
    assert rows("state", "attempts") == [(State.SENT, 1)] * 5
    assert smtp_sink.recipients == [[row.recipient.email] for row in deliveries]
    assert [m["Message-ID"] for m in smtp_sink.messages] == [d.message_id for d in deliveries]


def test_a_refused_address_loses_only_its_own_mail(deliveries, smtp_sink):
    smtp_sink.refuse(deliveries[2].recipient.email)
    send_all(deliveries)
    sent, failed = (State.SENT, 1, ""), (State.FAILED, 1, "SMTP 550")
    assert rows("state", "attempts", "error") == [sent, sent, failed, sent, sent]
    assert len(smtp_sink.messages) == 4


def test_a_temporary_refusal_is_tried_again_later(deliveries, smtp_sink):
    row = deliveries[0]
    smtp_sink.refuse(row.recipient.email, "451 Try again later")
    before = timezone.now()
    delivery.deliver(row.pk)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.error) == (State.PENDING, 1, "SMTP 451")
    assert datetime.timedelta(seconds=59) < row.due_at - before < datetime.timedelta(seconds=70)
    delivery.deliver(row.pk)  # not due yet
    assert smtp_sink.attempts == 1


def test_a_refusal_after_the_data_counts_by_its_code(deliveries, smtp_sink):
    smtp_sink.reply_after_data = "552 Mailbox full for ever"
    delivery.deliver(deliveries[0].pk)
    smtp_sink.reply_after_data = "452 Mailbox full today"
    delivery.deliver(deliveries[1].pk)
    assert rows("state", "error")[:2] == [(State.FAILED, "SMTP 552"), (State.PENDING, "SMTP 452")]


def test_six_attempts_then_it_has_failed(deliveries, smtp_sink, settings):
    settings.EMAIL_PORT = 1  # nobody listens there
    row, pauses = deliveries[0], []
    for _ in range(8):
        make_due(row)
        before = timezone.now()
        delivery.deliver(row.pk)
        row.refresh_from_db()
        pauses.append(round((row.due_at - before).total_seconds() / 60))
    assert (row.state, row.attempts, row.error) == (State.FAILED, 6, "ConnectionRefusedError")
    assert pauses[:5] == [1, 5, 15, 60, 240]


def test_a_server_that_hangs_costs_the_time_out_and_no_more(deliveries, smtp_sink, settings):
    settings.EMAIL_TIMEOUT = 1
    smtp_sink.hang(4)
    before = timezone.now()
    delivery.deliver(deliveries[0].pk)
    assert timezone.now() - before < datetime.timedelta(seconds=3)
    assert rows("state", "attempts")[0] == (State.PENDING, 1)
    assert smtp_sink.messages == []


def test_a_server_that_dies_after_the_data_gets_the_same_message_id_again(deliveries, smtp_sink):
    row = deliveries[0]
    smtp_sink.drop()
    delivery.deliver(row.pk)
    assert rows("state", "error")[0] == (State.PENDING, "SMTPServerDisconnected")
    smtp_sink.drop_after_data = False
    make_due(row)
    delivery.deliver(row.pk)
    assert rows("state", "attempts")[0] == (State.SENT, 2)
    assert [m["Message-ID"] for m in smtp_sink.messages] == [row.message_id] * 2


def test_a_wrong_password_is_tried_again(deliveries, monkeypatch):
    def submit(_message):
        raise smtplib.SMTPAuthenticationError(535, b"no")

    monkeypatch.setattr(delivery, "_submit", submit)
    delivery.deliver(deliveries[0].pk)
    assert rows("state", "error")[0] == (State.PENDING, "SMTPAuthenticationError 535")


def test_an_interrupted_attempt_is_one_of_the_six(deliveries, smtp_sink):
    row = deliveries[0]
    past = timezone.now() - datetime.timedelta(seconds=1)
    sending = ReportDelivery.objects.filter(pk=row.pk)
    sending.update(state=State.SENDING, attempts=5, lease_until=past)
    delivery.deliver(row.pk)
    assert rows("state", "attempts")[0] == (State.SENT, 6)
    sending.update(state=State.SENDING, attempts=6, lease_until=past)
    delivery.deliver(row.pk)
    assert rows("state", "attempts", "error")[0] == (State.FAILED, 6, "interrupted")
    assert len(smtp_sink.messages) == 1


def test_a_live_lease_is_left_alone(deliveries, smtp_sink):
    soon = timezone.now() + datetime.timedelta(minutes=1)
    ReportDelivery.objects.update(state=State.SENDING, attempts=1, lease_until=soon)
    send_all(deliveries)
    assert smtp_sink.messages == []
    assert rows("state", "attempts") == [(State.SENDING, 1)] * 5


@pytest.mark.parametrize(
    "change",
    [{"active": False}, {"receives_reports": False}, {"role": Role.FRONT_DESK},
     {"ends_on": datetime.date(2026, 1, 1)}],
)  # fmt: skip
def test_who_may_no_longer_read_it_is_not_mailed(deliveries, smtp_sink, change):
    Membership.objects.filter(user=deliveries[0].recipient).update(**change)
    send_all(deliveries)
    assert rows("state", "attempts") == [(State.DROPPED, 0), *[(State.SENT, 1)] * 4]
    assert [deliveries[0].recipient.email] not in smtp_sink.recipients


def test_a_deactivated_person_is_not_mailed(deliveries, smtp_sink):
    recipient = deliveries[4].recipient
    recipient.is_active = False
    recipient.save()
    send_all(deliveries)
    assert rows("state") == [*[(State.SENT,)] * 4, (State.DROPPED,)]


def test_a_coordinator_who_becomes_a_therapist_does_not_get_the_clinics_report(deliveries):
    row = deliveries[0]
    therapist = factories.TherapistFactory(clinic=row.clinic)
    mine = Membership.objects.filter(user=row.recipient)
    mine.update(role=Role.THERAPIST, therapist=therapist)
    delivery.deliver(row.pk)
    assert rows("state")[0] == (State.DROPPED,)


def test_a_new_address_gets_the_mail(deliveries, smtp_sink):
    recipient = deliveries[0].recipient
    recipient.email = "new@example.com"
    recipient.save()
    delivery.deliver(deliveries[0].pk)
    assert smtp_sink.recipients == [["new@example.com"]]


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_sends(deliveries, smtp_sink):
    start = threading.Barrier(6)

    def worker() -> None:
        start.wait()
        delivery.deliver(deliveries[0].pk)
        connection.close()

    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(smtp_sink.messages) == 1
    assert rows("state", "attempts")[0] == (State.SENT, 1)
