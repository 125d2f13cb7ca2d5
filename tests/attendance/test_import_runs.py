"""The life of an upload: who has it, what happens twice, who died, what is forgotten."""

from __future__ import annotations

import datetime
from functools import partial
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DataError, OperationalError
from django.utils import timezone

from attendance.imports import progress, runs
from attendance.imports.uploads import Upload
from attendance.models import AbsenceRule, DataImport, Flag, NightlyRun
from attendance.reports.tasks import tick
from iop_clinic.accounts.acting import Busy, Refused
from iop_clinic.accounts.models import AuditEvent, Clinic, User
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from scheduling.models import Room, Session
from tests import factories
from tests.admin import Desk, desk
from tests.attendance.nights import until
from tests.attendance.together import together
from tests.attendance.uploads import (
    TABLES,
    checked,
    csv_file,
    csv_files,
    harbor,
    imported,
    press,
    problems,
)
from tests.workers import queue_length

pytestmark = pytest.mark.django_db
State = DataImport.State
ROOMS = Upload("rooms.csv", b"name,seats\nBlue,14")
HOUR = datetime.timedelta(hours=1)


def brought(clinic: Clinic, by: User, *uploads: Upload) -> DataImport:
    row: DataImport = runs.take_in(clinic=clinic, uploads=uploads or [ROOMS], by=by)
    return row


def ready(clinic: Clinic, by: User) -> DataImport:
    row = brought(clinic, by)
    runs.run(row.pk)
    row.refresh_from_db()
    assert row.state == State.CHECKED
    return row


@pytest.fixture
def at() -> Desk:
    return desk(harbor(), Role.ADMINISTRATOR)


@pytest.fixture
def row(at: Desk) -> DataImport:
    return ready(Clinic.objects.get(), at.user)


def state_of(row: DataImport) -> str:
    return DataImport.objects.values_list("state", flat=True).get(pk=row.pk)


# --- twice ---------------------------------------------------------------------------------------


def test_a_second_confirmation_changes_nothing(at, row):
    press(at, row, "import", digest=row.digest)
    before = AuditEvent.objects.count()
    assert press(at, row, "import", digest=row.digest).sentences[-1] == "The import is on its way."
    assert AuditEvent.objects.count() == before
    runs.run(row.pk)
    runs.run(row.pk)
    assert (state_of(row), Room.objects.count()) == (State.IMPORTED, 1)
    said = press(at, row, "import", digest=row.digest).sentences[-1]
    assert said == "These files are imported already. Nothing is imported twice."


def test_discarded_files_are_not_offered_once_more(at, row):
    at.fill(row, "discard")
    answer = press(at, row, "import", digest=row.digest)
    assert answer.refusal == "Nothing to import: discarded."
    assert "The files are gone. Nothing was imported." in answer.html
    assert "Back to the import" in answer.html
    assert 'type="submit"' not in answer.html.split('id="service-form"')[1].split("</form>")[0]
    assert state_of(row) == State.DISCARDED


def test_other_files_than_those_checked_are_not_confirmed(at, row):
    answer = press(at, row, "import", digest="0" * 64)
    assert answer.refusal == "These are not the files that were checked. Look again."
    assert state_of(row) == State.CHECKED


@pytest.mark.django_db(transaction=True)
def test_of_two_confirmations_and_two_workers_at_once_one_imports(no_celery_worker):
    clinic = harbor()
    people = [factories.staff(clinic, Role.COORDINATOR) for _ in range(2)]
    row = ready(clinic, people[0])
    confirm = partial(runs.confirm, row=row, digest=row.digest)
    answers = together(*(partial(confirm, by=person) for person in people))
    assert {one.state for one in answers} == {State.CONFIRMED}
    together(partial(runs.run, row.pk), partial(runs.run, row.pk))
    row.refresh_from_db()
    assert (row.state, row.attempts, Room.objects.count()) == (State.IMPORTED, 2, 1)
    inserts = AuditEvent.objects.filter(table_name="scheduling_room", operation="I")
    assert [event.actor for event in inserts] == [f"user:{row.confirmed_by_id}"]


def test_uploads_of_one_clinic_take_turns(at, row):
    other = brought(row.clinic, at.user)
    runs.confirm(row=row, digest=row.digest, by=at.user)
    lease = timezone.now() + HOUR
    DataImport.objects.filter(pk=row.pk).update(state=State.IMPORTING, lease_until=lease)
    runs.run(other.pk)
    assert state_of(other) == State.WAITING
    DataImport.objects.filter(pk=row.pk).update(state=State.STOPPED, lease_until=None)
    runs.run(other.pk)
    assert state_of(other) == State.CHECKED


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SoftTimeLimitExceeded(), runs.TOO_LONG),
        (Busy("busy"), runs.LOCKED),
        (OperationalError("Ada Alder"), runs.UNEXPECTED),
    ],
)
def test_a_run_that_fails_writes_nothing_and_can_be_tried_again(
    at, row, error, sentence, monkeypatch, caplog
):
    runs.confirm(row=row, digest=row.digest, by=at.user)
    with monkeypatch.context() as patch:
        patch.setattr(runs, "account", _raising(error))
        runs.run(row.pk)
    row.refresh_from_db()
    assert (row.state, row.report) == (State.STOPPED, {"stopped": sentence})
    assert not Room.objects.exists()
    assert "Ada Alder" not in caplog.text
    press(at, row, "again")
    runs.run(row.pk)
    assert imported(at, DataImport.objects.get(pk=row.pk)).state == State.IMPORTED


def test_problems_that_cannot_be_kept_stop_the_check(at, monkeypatch, caplog):
    monkeypatch.setattr(runs, "refusal", _raising(DataError("Ada Alder")))
    row = checked(at, csv_file("rooms.csv", "name,seats\nBlue,many"))
    assert (row.state, row.report) == (State.STOPPED, {"stopped": runs.UNEXPECTED})
    assert "Ada Alder" not in caplog.text


def _raising(error: Exception) -> Any:
    def fail(_outcome: Any) -> None:
        raise error

    return fail


def test_a_worker_that_died_is_told_after_its_time_and_tried_again(at, row):
    runs.confirm(row=row, digest=row.digest, by=at.user)
    lease = timezone.now() - HOUR
    DataImport.objects.filter(pk=row.pk).update(state=State.IMPORTING, lease_until=lease)
    page = at.open(row, "change").content.decode()
    assert "The worker that had these files has not answered in its time" in page
    press(at, row, "again")
    assert state_of(row) == State.WAITING


def test_a_worker_that_is_still_at_it_is_left_alone(at, row):
    runs.confirm(row=row, digest=row.digest, by=at.user)
    lease = timezone.now() + HOUR
    DataImport.objects.filter(pk=row.pk).update(state=State.IMPORTING, lease_until=lease)
    again, discard = press(at, row, "again"), press(at, row, "discard")
    assert again.refusal == "Nothing to try again: being imported."
    assert discard.refusal == "Nothing to discard: being imported."
    assert state_of(row) == State.IMPORTING


def test_a_worker_whose_upload_was_taken_from_it_writes_nothing(at, row, monkeypatch):
    runs.confirm(row=row, digest=row.digest, by=at.user)
    read = runs._read

    def taken_meanwhile(*arguments: Any, **options: Any) -> Any:
        outcome = read(*arguments, **options)
        DataImport.objects.filter(pk=row.pk).update(attempts=9)
        return outcome

    monkeypatch.setattr(runs, "_read", taken_meanwhile)
    runs.run(row.pk)
    assert not Room.objects.exists()


def test_what_does_not_fit_any_more_is_told_at_the_import(at):
    payer = factories.PayerFactory(clinic=at.user.working_clinic(), name="Granite Health")
    tables = {name: TABLES[name] for name in ("patients", "coverages")}
    row = checked(at, *csv_files(tables))
    payer.delete()
    imported(at, row)
    row.refresh_from_db()
    assert (row.state, row.content) == (State.REFUSED, None)
    assert problems(row) == ["coverages.csv, 2, payer: unknown payer “Granite Health”"]
    assert not Patient.objects.exists()


# --- the queue and the tick ----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_check_queues_nothing_and_the_trail_has_its_own_row_alone(no_celery_worker):
    clinic = harbor()
    row = brought(clinic, factories.staff(clinic, Role.ADMINISTRATOR))
    assert queue_length() == 1
    last = AuditEvent.objects.latest("pk").pk
    runs.run(row.pk)
    assert queue_length() == 1
    tables = AuditEvent.objects.filter(pk__gt=last).values_list("table_name", flat=True)
    assert set(tables) == {"attendance_dataimport"}


def test_the_tick_rings_for_what_no_worker_has_and_forgets_after_a_day(at, row, monkeypatch):
    rung: list[list[int]] = []
    monkeypatch.setattr("attendance.reports.queue.queue_imports", rung.append)
    waiting = brought(row.clinic, at.user)
    DataImport.objects.filter(pk=row.pk).update(uploaded_at=timezone.now() - 25 * HOUR)
    tick()
    assert rung == [[waiting.pk]]
    row.refresh_from_db()
    assert (row.state, row.content, state_of(waiting)) == (State.DISCARDED, None, State.WAITING)


def test_an_upload_that_is_being_imported_is_not_forgotten(at, row):
    runs.confirm(row=row, digest=row.digest, by=at.user)
    now = timezone.now()
    DataImport.objects.filter(pk=row.pk).update(
        state=State.IMPORTING, lease_until=now + HOUR, uploaded_at=now - 25 * HOUR
    )
    assert runs.forget_old(by=runs.IMPORT, now=now) == 0
    assert state_of(row) == State.IMPORTING


def test_discarded_files_are_gone(at, row):
    answer = at.fill(row, "discard")
    assert answer.sentences == ["The files are discarded. Nothing of them was imported."]
    row.refresh_from_db()
    assert (row.state, row.content) == (State.DISCARDED, None)
    with pytest.raises(Refused, match="Nothing to import: discarded"):
        runs.confirm(row=row, digest=row.digest, by=at.user)


# --- progress ------------------------------------------------------------------------------------


def test_the_page_can_ask_how_far_it_is(at, row):
    runs.confirm(row=row, digest=row.digest, by=at.user)
    lease = timezone.now() + HOUR
    DataImport.objects.filter(pk=row.pk).update(state=State.IMPORTING, lease_until=lease)
    teller = progress.Teller(row.pk, of=2500)
    teller._last -= 1
    teller(1200)
    told = at.open(row, "progress").json()
    assert told == {
        "busy": True,
        "title": "Importing",
        "said": "1,200 of 2,500 rows. You may leave this page.",
        "rows": 1200,
        "of": 2500,
    }
    assert 'value="1200"' in at.open(row, "change").content.decode()


def test_an_import_goes_on_without_a_cache(at, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    assert ready(at.user.working_clinic(), at.user).state == State.CHECKED


# --- after it ------------------------------------------------------------------------------------


@pytest.fixture
def judged(time_machine) -> Desk:
    """A clinic whose Tuesday a night has judged: its only patient stayed away without a call."""
    time_machine.move_to(datetime.datetime(2026, 3, 11, 16, tzinfo=datetime.UTC), tick=False)
    at = desk(harbor(), Role.ADMINISTRATOR)
    imported(at, checked(at, *csv_files(TABLES)))
    now = timezone.now()
    NightlyRun.objects.create(
        clinic=Clinic.objects.get(), local_date=datetime.date(2026, 3, 10), state="finished",
        lease_until=now, finished_at=now,
    )  # fmt: skip
    absences = "record_number,date,start,attended\nH-1,2026-03-10,13:00,no"
    imported(at, checked(at, csv_file("attendance.csv", absences)))
    return at


def missed() -> list[str]:
    rows = Flag.objects.filter(rule=AbsenceRule.Kind.FIRST_DAYS, evidence_key="2026-03-10")
    return list(rows.values_list("state", flat=True))


def test_a_missed_day_is_a_case_as_soon_as_it_is_imported(judged):
    assert missed() == ["open"]


def test_a_hold_over_it_closes_the_case_as_soon_as_it_is_imported(judged):
    hold = "record_number,reason,starts_on,ends_on\nH-1,hospital,2026-03-09,2026-03-12"
    imported(judged, checked(judged, csv_file("holds.csv", hold)))
    assert missed() == ["closed"]


def test_a_real_worker_checks_and_imports(celery_worker_process):
    clinic = harbor()
    at = desk(clinic, Role.ADMINISTRATOR)
    row = brought(clinic, at.user, *(Upload(f"{n}.csv", t.encode()) for n, t in TABLES.items()))
    until(lambda: state_of(row) == State.CHECKED, "the check")
    press(at, row, "import", digest=row.digest)
    until(lambda: state_of(row) == State.IMPORTED, "the import")
    row.refresh_from_db()
    assert sum(one[1] for one in row.report["counts"]) == 24
    assert "H-1" not in celery_worker_process.log


def test_a_check_tells_which_planned_sessions_days_off_would_change(at, time_machine):
    """Patients are booked into them; in a clinic that is new there are none yet."""
    time_machine.move_to(datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC), tick=False)
    assert imported(at, checked(at, *csv_files(TABLES))).state == State.IMPORTED
    closed = csv_file("closures.csv", "starts_on,ends_on,reason\n2026-03-23,2026-03-24,Flood")
    away = "therapist,starts,ends\nlead@example.com,2026-03-30 08:00,2026-03-30 18:00"
    row = checked(at, closed, csv_file("time_off.csv", away))
    assert row.report["notes"] == [
        "“Flood” from Mar 23, 2026 on cancels 2 planned sessions",
        "Time off of Lee Lead from Mon Mar 30, 8:00 AM on takes the leader of 1 planned session",
    ]
    assert not Session.objects.filter(cancelled_reason="Flood").exists()
