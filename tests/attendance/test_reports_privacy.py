"""Unusual words in every field that could name a patient, a group or a colleague, searched for in
whatever a night leaves behind outside the clinic's own pages: mails, broker, logs, rows (R15)."""

import base64
import datetime
import itertools
import json
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, models, transaction
from django.utils import timezone

from attendance.models import ComplianceReport, NightlyRun, ReportDelivery
from attendance.reports import due_nights, nightly, tasks
from iop_clinic.accounts.models import Clinic, Therapist
from iop_clinic.accounts.roles import Role
from iop_clinic.celery import app
from patients.models import Diagnosis, Patient
from scheduling.models import Group
from tests import factories
from tests.attendance.nights import clinic_with_timetable, night, until
from tests.project.world import CLINIC_MODELS, clinic_rows, therapist_rows

OUR_OWN = {NightlyRun, ComplianceReport, ReportDelivery}
"""What the night writes: searched, not planted."""
BIRTHDAY = datetime.date(1987, 6, 5)
_numbers = itertools.count(1000)


def word() -> str:
    """Found nowhere by chance, in any spelling."""
    return f"Zq{next(_numbers)}x"


def plant(model: type[models.Model], clinic: Clinic) -> Iterator[tuple[str, str]]:
    """A word of its own in every free text field of a table; (field, word) where it took."""
    for field in model._meta.concrete_fields:
        free = isinstance(field, models.CharField | models.TextField) and not field.choices
        if not free or field.name == "zone" or (field.max_length or 99) < 7:
            continue
        for row in model._default_manager.filter(clinic=clinic):
            planted = word()
            try:
                with transaction.atomic():
                    same = model._default_manager.filter(pk=row.pk)
                    same.update(**{field.name: planted})
            except DatabaseError:
                continue  # a rule of the table says what this text may be
            yield f"{model.__name__}.{field.name}", planted


@pytest.fixture
def planted(transactional_db):
    """A clinic with a row in every table and seven patients last week, and its planted words."""
    clinic = clinic_with_timetable()
    factories.staff(clinic, Role.COORDINATOR)
    leader = factories.staff(clinic, Role.THERAPIST)
    shared = clinic_rows(clinic)
    rows = therapist_rows(leader, shared)
    ReportDelivery.objects.all().delete()
    now, before = timezone.now(), night(clinic, days_ago=1).local_date
    NightlyRun.objects.update(state="finished", finished_at=now, local_date=before)
    therapist = leader.memberships.get().therapist
    day = night(clinic).local_date - 7 * due_nights.DAY
    held = factories.session(
        clinic, day.isoformat(), "09:00", "10:00", group=rows[Group], therapist=therapist
    )
    for seat in range(1, 8):
        episode = factories.admitted(clinic, primary_therapist=therapist)
        factories.booking(held, episode, seat)
    Patient.objects.update(birth_date=BIRTHDAY)
    models_ = [model for model in CLINIC_MODELS if model not in OUR_OWN]
    return clinic, [pair for model in models_ for pair in plant(model, clinic)]


def test_every_field_that_names_somebody_is_planted(planted):
    fields_ = {field for field, _ in planted[1]}
    names = {
        Patient: ("record_number", "first_name", "last_name", "preferred_name", "pronouns",
                  "phone", "email", "emergency_name", "emergency_phone", "guardian_name",
                  "guardian_phone"),
        Group: ("name",), Therapist: ("name",), Diagnosis: ("code", "description"),
    }  # fmt: skip
    wanted = {f"{model.__name__}.{name}" for model, fields in names.items() for name in fields}
    assert wanted - fields_ == set()
    assert {"Flag.sentence", "OutreachAttempt.note", "CourtReferral.court"} <= fields_


def test_no_trace_in_mail_log_broker_or_rows(planted, start_celery_worker, smtp_sink):
    clinic, words = planted
    tasks.tick()
    nightly.run_nights([night(clinic)])
    count = ReportDelivery.objects.count()
    assert count == 4  # the night's and the week's, for coordinator and therapist
    seen = [broker_contents()]
    assert seen[0].count("tasks.deliver") >= count
    smtp_sink.hang(0.4)
    worker = start_celery_worker()
    until(lambda: ReportDelivery.objects.filter(state="sending").exists(), "a mail on its way")
    seen.append(broker_contents())
    sent = ReportDelivery.objects.filter(state="sent")
    until(lambda: sent.count() == count, "the reports")
    subjects = sorted(message["Subject"] for message in smtp_sink.messages)
    day = night(clinic).local_date
    assert [one.partition(":")[0] for one in subjects[:2]] == [
        f"Nightly report, {day:%a %b} {day.day}"
    ] * 2
    assert {one.split()[0] for one in subjects[2:]} == {"Weekly"}
    for message in smtp_sink.messages:
        seen.append(message.as_string())
        seen += [part.get_content() for part in message.walk() if not part.is_multipart()]
    seen += [worker.log, *(str(list(model.objects.values())) for model in OUR_OWN)]
    everything = "\n".join(seen).lower()
    traces = [*(planted_word for _, planted_word in words), BIRTHDAY.isoformat(), "f10.20"]
    assert len(traces) > 100
    assert [trace for trace in traces if trace.lower() in everything] == []
    assert "caseload" in everything


def test_a_finding_may_name_a_group_for_its_page_but_nobody_and_no_mail_does(planted, smtp_sink):
    """A coordinator must know which session to look at, and reads that behind the login."""
    clinic, words = planted
    group = dict(words)["Group.name"]
    run = NightlyRun.objects.create(
        clinic=clinic, local_date=night(clinic).local_date, state="evaluated",
        lease_until=timezone.now(), findings=[f"{group}, 2026-03-02 09:00: no seat is free"],
    )  # fmt: skip
    nightly.run_nights([night(clinic)])
    for delivery in ReportDelivery.objects.filter(report__run=run):
        tasks.deliver(delivery.pk)
    assert smtp_sink.messages
    for message in smtp_sink.messages:
        assert group not in message.get_body(("plain",)).get_content()
        assert group not in message.get_body(("html",)).get_content()
    content = str(list(ComplianceReport.objects.filter(run=run).values_list("content")))
    assert group not in content


def broker_contents() -> str:
    """Every key and value of the broker's database, with the tasks' arguments readable."""
    with app.connection_for_read() as connection:
        client = connection.default_channel.client
        found = [(key, _value(client, key)) for key in client.scan_iter()]
    return "\n".join(f"{_text(key)} {value}" for key, value in found)


def _value(client, key) -> str:
    read = {
        "string": client.get,
        "list": lambda key: client.lrange(key, 0, -1),
        "hash": lambda key: list(client.hgetall(key).values()),
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1),
    }.get(_text(client.type(key)))
    value = read(key) if read else ""
    entries = [value] if isinstance(value, bytes | str) else list(value or ())
    return "\n".join(_readable(_text(entry)) for entry in entries)


def _readable(entry: str) -> str:
    """A message with its base64 body spelled out beside it."""
    try:
        message = json.loads(entry)
        message = message[0] if isinstance(message, list) else message
        return entry + base64.b64decode(message["body"]).decode()
    except (ValueError, TypeError, KeyError, IndexError):
        return entry


def _text(raw: bytes | str) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else raw
