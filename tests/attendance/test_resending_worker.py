"""A mail sent again by a person: through a real worker, and once however many ask for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from attendance.models import ReportDelivery
from attendance.reports import nightly
from attendance.reports.resending import send_again
from iop_clinic.accounts.acting import Refused
from tests import factories
from tests.admin import actors
from tests.attendance.nights import reported_night, staffed_clinic, until
from tests.attendance.together import together

State = ReportDelivery.State


@pytest.fixture
def failed(monkeypatch) -> Callable[[], ReportDelivery]:
    """Makes the only delivery there is, given up after six attempts; no worker has heard of it."""
    monkeypatch.setattr(nightly, "queue_deliveries", lambda ids: True)
    return _failed


def _failed() -> ReportDelivery:
    clinic, _ = staffed_clinic(therapists=0)
    row = reported_night(clinic)[0]
    ReportDelivery.objects.exclude(pk=row.pk).delete()
    ReportDelivery.objects.update(state=State.FAILED, attempts=6, error="SMTP 452")
    return row


def test_a_worker_mails_it_as_soon_as_it_is_asked_for(celery_worker_process, smtp_sink, failed):
    row = failed()
    send_again(delivery=row, by=factories.staff(row.clinic))
    until(lambda: ReportDelivery.objects.get().state == State.SENT, "the mail")
    assert [message["Message-ID"] for message in smtp_sink.messages] == [row.message_id]
    assert ReportDelivery.objects.get().attempts == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_ask_at_once_one_is_told_that_it_is_on_its_way(failed):
    row = failed()
    people = [factories.staff(row.clinic) for _ in range(2)]
    answers = together(*(partial(send_again, delivery=row, by=one) for one in people))
    (refused,) = [one for one in answers if isinstance(one, Refused)]
    assert refused.code == "not_given_up"
    winner = people[1 - answers.index(refused)]
    assert actors(row) == {winner.actor}
