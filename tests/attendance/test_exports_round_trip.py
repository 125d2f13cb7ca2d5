"""A clinic leaves with its files, and comes back as the same clinic."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from attendance.demo.loading import load_demo
from attendance.imports.naming import read_sources
from attendance.imports.services import Outcome, import_clinic
from attendance.imports.uploads import Upload, sources_of
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic, Therapist
from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Booking, Closure, Group, Room, Session
from tests import factories as f
from tests.attendance import folders
from tests.attendance.exported import Rows, tables, taken, unpacked

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
DEMO_NOW = datetime.datetime(2026, 11, 21, 20, tzinfo=datetime.UTC)
MONDAY_NINE = ("2026-03-02", "09:00")
JOB = Job("import")

pytestmark = pytest.mark.django_db


def bring(folder: Path, now: datetime.datetime = NOW) -> Outcome:
    return import_clinic(folder=folder, by=JOB, now=now)


def elsewhere(clinic: Clinic, folder: Path, now: datetime.datetime = NOW) -> Clinic:
    """The clinic as it comes back where it is not known: under another name, beside itself."""
    files = unpacked(taken(clinic, "whole"), folder)
    row = files / "clinic.csv"
    row.write_text(row.read_text(encoding="utf-8-sig").replace(clinic.name, "Elsewhere"))
    bring(files, now)
    return Clinic.objects.get(name="Elsewhere")


def files_of(clinic: Clinic) -> dict[str, Rows]:
    """Without the coordinator who exports."""
    found = tables(taken(clinic, "whole"))
    found["staff"] = [row for row in found["staff"] if not row[0].startswith("person")]
    return {name: rows for name, rows in found.items() if name != "clinic"}


def minutes(clinic: Clinic) -> dict[tuple[Any, ...], tuple[int, int]]:
    rows = AttendanceRecord.objects.filter(clinic=clinic).select_related("booking__patient")
    return {
        (row.booking.patient.record_number, row.booking.starts_at, row.booking.ends_at): (
            row.attended_minutes,
            row.credited_minutes,
        )
        for row in rows
    }


def seats(clinic: Clinic) -> list[tuple[Any, ...]]:
    rows = Booking.objects.filter(clinic=clinic).order_by("starts_at", "seat", "patient")
    return list(rows.values_list("patient__record_number", "starts_at", "seat", "live"))


@pytest.fixture
def harbor(tmp_path: Path) -> Clinic:
    (tmp_path / "good").mkdir()
    bring(folders.write(tmp_path / "good"))
    return Clinic.objects.get(name="Harbor IOP")


@pytest.mark.soak
def test_the_demo_clinic_there_and_back(tmp_path):
    load_demo(folder=tmp_path / "demo", now=DEMO_NOW)
    clinic = Clinic.objects.get(name="Riverside IOP")
    again = bring(unpacked(taken(clinic, "whole"), tmp_path / "files"), DEMO_NOW)
    assert (again.total.created, again.total.differs) == (0, 0)
    assert again.counts["attendance.csv"].unchanged == len(minutes(clinic)) > 5000
    other = elsewhere(clinic, tmp_path / "there", DEMO_NOW)
    assert files_of(other) == files_of(clinic)
    assert minutes(other) == minutes(clinic)


def test_a_small_clinic_there_and_back(harbor, tmp_path):
    other = elsewhere(harbor, tmp_path / "there")
    assert files_of(other) == files_of(harbor)
    assert (minutes(other), seats(other)) == (minutes(harbor), seats(harbor))


# --- what the form has no place for ------------------------------------------------------------


def record(session: Session, episode: Episode, **booked: Any) -> AttendanceRecord:
    clinic = session.clinic
    booking = f.booking(session, episode, **booked)
    return AttendanceRecord.objects.create(clinic=clinic, booking=booking, attended=True)


def lead(clinic: Clinic) -> Therapist:
    return Therapist.objects.get(clinic=clinic, name="Lee Lead")


def ada() -> Episode:
    return Episode.objects.get(patient__record_number="H-1")


def planned_for_two(clinic: Clinic) -> None:
    session = f.session(clinic, "2026-03-04", "09:00", "10:00", therapist=lead(clinic))
    f.booking(session, Episode.objects.get(patient__record_number="H-2"), seat=2)
    record(session, ada())


def planned_without_a_leader(clinic: Clinic) -> None:
    record(f.session(clinic, "2026-03-04", "09:00", "10:00"), ada())


def held_on_a_day_that_was_closed_later(clinic: Clinic) -> None:
    Closure.objects.create(
        clinic=clinic, starts_on="2026-03-03", ends_on="2026-03-03", reason="Water"
    )


def moved(clinic: Clinic) -> None:
    session = Session.objects.get(clinic=clinic, local_date="2026-03-03")
    hour = datetime.timedelta(hours=1)
    Session.objects.filter(pk=session.pk).update(
        starts_at=session.starts_at + hour, ends_at=session.ends_at + hour
    )


def made_longer(clinic: Clinic) -> None:
    session = Session.objects.get(clinic=clinic, local_date="2026-03-03")
    Session.objects.filter(pk=session.pk).update(ends_at=f.at(clinic, "2026-03-03", "14:20"))


def visited_as_a_guest(clinic: Clinic) -> None:
    group = Group.objects.get(clinic=clinic)
    guest = f.admitted(clinic, on=datetime.date(2026, 3, 2), program=group.program)
    record(Session.objects.get(clinic=clinic, local_date="2026-03-02"), guest, seat=3)


EXCEPTIONS = [
    planned_for_two,
    planned_without_a_leader,
    held_on_a_day_that_was_closed_later,
    moved,
    made_longer,
    visited_as_a_guest,
]


@pytest.mark.parametrize("happened", EXCEPTIONS)
def test_what_follows_from_no_block_is_left_out_and_said(harbor, tmp_path, happened):
    with time_machine.travel(NOW, tick=False):
        happened(harbor)
        about = [row[0] for row in tables(taken(harbor, "whole", "xlsx"))["About"]]
        every = tables(taken(harbor, "attendance", "xlsx"))["attendance"]
        kept = files_of(harbor)["attendance"]
        assert len(kept) == len(every) - 1
        assert [said for said in about if said.startswith("1 attendance row is left out:")]
        again = bring(unpacked(taken(harbor, "whole"), tmp_path / "files"))
        assert (again.total.created, again.total.differs) == (0, 0)
        assert files_of(elsewhere(harbor, tmp_path / "there"))["attendance"] == kept


def test_a_session_planned_for_one_patient_comes_back_as_a_block_of_one_day(harbor, tmp_path):
    session = f.session(
        harbor, "2026-03-04", "09:00", "10:00", therapist=lead(harbor), capacity=1,
        room=Room.objects.get(clinic=harbor), breaks=[[50, 60]],
    )  # fmt: skip
    came = record(session, ada())
    AttendanceRecord.objects.filter(pk=came.pk).update(attended_minutes=50, credited_minutes=50)
    again = bring(unpacked(taken(harbor, "whole"), tmp_path / "files"))
    assert (again.total.created, again.total.differs) == (0, 0)
    other = elsewhere(harbor, tmp_path / "there")
    assert (minutes(other), seats(other)) == (minutes(harbor), seats(harbor))
    (there,) = Session.objects.filter(clinic=other, local_date="2026-03-04")
    assert (there.room.name, there.breaks, there.staff.get().therapist.name) == (
        "Blue", [[50, 60]], "Lee Lead",
    )  # fmt: skip
    assert files_of(other) == files_of(harbor)


def test_a_single_session_that_changed_meanwhile_is_said_to_differ(harbor, tmp_path):
    session = f.session(harbor, "2026-03-04", "09:00", "10:00", therapist=lead(harbor), capacity=1)
    record(session, ada())
    files = unpacked(taken(harbor, "whole"), tmp_path / "files")
    Session.objects.filter(pk=session.pk).update(ends_at=f.at(harbor, "2026-03-04", "09:50"))
    (differing,) = bring(files).differing
    assert (differing.file, differing.column) == ("blocks.csv", "ends")


def test_of_two_records_at_one_time_the_one_that_holds_a_seat_is_kept(harbor, tmp_path):
    """A patient who gave notice came to another session of the same time."""
    own = Booking.objects.get(patient__record_number="H-1", starts_at=f.at(harbor, *MONDAY_NINE))
    Booking.objects.filter(pk=own.pk).update(state="released", released_at=NOW)
    other = f.session(harbor, *MONDAY_NINE, "10:00")
    record(other, ada())
    with time_machine.travel(NOW, tick=False):
        again = bring(unpacked(taken(harbor, "whole"), tmp_path / "files"))
    assert (again.total.created, again.total.differs) == (0, 0)


def test_therapists_without_an_account_are_said(harbor):
    f.TherapistFactory(clinic=harbor)
    about = [row[0] for row in tables(taken(harbor, "whole", "xlsx"))["About"]]
    assert [said for said in about if said.startswith("1 therapist never had an account.")]


def test_who_has_left_and_led_nothing_stays_behind(harbor):
    gone = f.MembershipFactory(clinic=harbor, active=False)
    ended = f.MembershipFactory(clinic=harbor, role="auditor", ends_on=datetime.date(2026, 3, 10))
    led = f.staff(harbor, Role.THERAPIST, active=False)
    with time_machine.travel(NOW, tick=False):
        emails = [row[0] for row in tables(taken(harbor, "whole"))["staff"]]
    there = [one.user.email in emails for one in (gone, ended)]
    assert (there, led.email in emails) == ([False, False], True)


# --- through the site --------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_the_site_takes_the_files_as_they_were_exported(harbor, form):
    """With what they say of themselves, which is no table."""
    made = taken(harbor, "whole", form)
    with made.file as file:
        reading = read_sources(sources_of([Upload(made.name, file.read())]))
    assert reading.problems == []
    assert sum(len(rows) for rows in reading.rows.values()) == made.rows
