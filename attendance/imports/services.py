"""A clinic from a folder of files, or a past from one list: all of it, or nothing."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone

from attendance.imports.history import expand_history, load_attendance, load_make_ups
from attendance.imports.intake import Counts, Intake
from attendance.imports.judging import judge_imported
from attendance.imports.long_list import know_patients, load_list
from attendance.imports.naming import read_sources
from attendance.imports.people import load_coverages, load_episodes, load_papers
from attendance.imports.places import (
    clinic_of,
    load_plain,
    load_staff,
    note_clinic,
    refuse_other_clinic,
    refuse_staff,
)
from attendance.imports.problems import ImportRefused, Problem
from attendance.imports.reading import Reading, Source, read_folder
from attendance.imports.tables import LONG_LIST
from attendance.imports.timetable import check_members, load_timetable
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job, service
from iop_clinic.accounts.models import Clinic, User
from patients.models import Episode
from scheduling.locks import lock
from scheduling.models import Booking, GroupMembership, Session, SessionStaff

MANY_ROWS = 1000
Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import did: counts by file, rows the clinic has otherwise, sessions to look at."""

    clinic: str
    counts: dict[str, Counts]
    differing: list[Problem]
    notes: list[str]

    @property
    def total(self) -> Counts:
        counts = self.counts.values()
        return Counts(
            sum(c.created for c in counts),
            sum(c.unchanged for c in counts),
            sum(c.differs for c in counts),
        )


class _OnlyChecked(Exception):
    """Ends a dry run: everything was tried, and is rolled back."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def import_clinic(
    *,
    folder: Path,
    by: User | Job,
    dry_run: bool = False,
    now: datetime.datetime | None = None,
    progress: Progress = lambda rows: None,
) -> Outcome:
    """Read a clinic from a folder of CSV files (docs/import.md) in one transaction.

    Rows the clinic has already are compared by key and never overwritten. A dry run does all of it
    and takes it back. `progress` hears how many rows were dealt with. Raises ImportRefused with
    every problem of every file; then nothing was written.
    """
    try:
        return _import(
            folder=folder, by=by, dry_run=dry_run, now=now or timezone.now(), progress=progress
        )
    except _OnlyChecked as checked:
        return checked.outcome


@service
def _import(
    *, folder: Path, by: User | Job, dry_run: bool, now: datetime.datetime, progress: Progress
) -> Outcome:
    reading = read_folder(folder)
    if not reading.rows:
        raise ImportRefused(reading.problems or [Problem(str(folder), 0, "", "holds no CSV file")])
    clinic, opened = clinic_of(reading, by)
    lock(clinics=[clinic.pk])
    intake = Intake(clinic, reading, by, now, progress, reading.problems, opened)
    note_clinic(intake)
    load(intake)
    return finish(intake, dry_run=dry_run)


def load(intake: Intake) -> None:
    """Every table of a clinic that is there, in the order in which rows name each other."""
    load_plain(intake)
    load_staff(intake)
    load_coverages(intake)
    load_episodes(intake)
    load_papers(intake)
    load_timetable(intake)
    check_members(intake)
    intake.check_names()
    if intake.problems:
        _look_further(intake)
    else:
        _load_past(intake)


def _load_past(intake: Intake) -> None:
    expand_history(intake)
    load_make_ups(intake)
    load_attendance(intake)
    load_list(intake)
    judge_imported(intake)


def _look_further(intake: Intake) -> None:
    """Judge the rest too, although all of it will be taken back.

    On top of rows that are wrong the database may refuse the rest as a whole; then what was found
    so far is what can be said.
    """
    with suppress(IntegrityError, DataError), transaction.atomic():
        _load_past(intake)


def refuse_problems(intake: Intake) -> None:
    if intake.problems:
        raise ImportRefused(intake.problems)


def _refuse_left_out(intake: Intake) -> None:
    """The last net under "all or nothing": no row may be left out without a problem."""
    left_out = [row for rows in intake.reading.rows.values() for row in rows if row.bad]
    for row in left_out:
        intake.refuse(row, "", "depends on a row that cannot be read")
    refuse_problems(intake)


def finish(intake: Intake, *, dry_run: bool) -> Outcome:
    refuse_problems(intake)
    _refuse_left_out(intake)
    counts = {file: counts for file, counts in intake.counts.items() if counts != Counts()}
    outcome = Outcome(intake.clinic.name, counts, sorted(intake.differing), intake.notes)
    if dry_run:
        raise _OnlyChecked(outcome)
    if outcome.total.created > MANY_ROWS:
        _measure_tables()
    return outcome


def _measure_tables() -> None:
    """Tell the planner how big the tables are now: a nightly run may follow before autovacuum.

    Without it the day query was planned for empty tables and took 17 s instead of 0.3 s.
    """
    models = (Episode, GroupMembership, Session, SessionStaff, Booking, AttendanceRecord)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(model._meta.db_table for model in models)}")


def import_into(
    *,
    clinic: Clinic,
    sources: Sequence[Source],
    by: User,
    dry_run: bool = False,
    now: datetime.datetime | None = None,
    progress: Progress = lambda rows: None,
) -> Outcome:
    """Read tables into a clinic that is there, as `import_clinic` otherwise.

    Which table a source is, its name says, or else its first line. One that may not be brought in
    by this person is a problem like any other.
    """
    try:
        return _import_into(
            clinic=clinic,
            sources=sources,
            by=by,
            dry_run=dry_run,
            now=now or timezone.now(),
            progress=progress,
        )
    except _OnlyChecked as checked:
        return checked.outcome


@service
def _import_into(
    *,
    clinic: Clinic,
    sources: Sequence[Source],
    by: User,
    dry_run: bool,
    now: datetime.datetime,
    progress: Progress,
) -> Outcome:
    _allow_for_reading()
    reading = read_sources(sources)
    refuse_staff(reading, clinic, by)
    if not dry_run:  # others work on while a check goes on, until its blocks become sessions
        lock(clinics=[clinic.pk])
    intake = Intake(clinic, reading, by, now, progress, problems=reading.problems)
    refuse_other_clinic(intake)
    note_clinic(intake)
    load(intake)
    return finish(intake, dry_run=dry_run)


def _allow_for_reading() -> None:
    """To the database a long file that is read is idle time; the worker has a limit of its own."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


def import_attendance(
    *,
    file: Path,
    clinic: Clinic,
    by: User | Job,
    dry_run: bool = False,
    now: datetime.datetime | None = None,
) -> Outcome:
    """Read one long list of past attendance into a clinic; as `import_clinic` otherwise."""
    try:
        return _import_list(
            file=file, clinic=clinic, by=by, dry_run=dry_run, now=now or timezone.now()
        )
    except _OnlyChecked as checked:
        return checked.outcome


@service
def _import_list(
    *, file: Path, clinic: Clinic, by: User | Job, dry_run: bool, now: datetime.datetime
) -> Outcome:
    reading = Reading()
    reading.read_file(LONG_LIST, file)
    lock(clinics=[clinic.pk])
    intake = Intake(clinic, reading, by, now, lambda rows: None, problems=reading.problems)
    know_patients(intake)
    load_list(intake)
    judge_imported(intake)
    intake.counts = {file.name: intake.counts[LONG_LIST.file]}
    return finish(intake, dry_run=dry_run)
