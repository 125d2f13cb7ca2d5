"""Seats that files bring settle the waitlist as an enrolment by hand does."""

import datetime
from pathlib import Path

import pytest
from django.utils import timezone

from attendance.imports.services import import_clinic
from iop_clinic.accounts.acting import Job
from patients.models import Episode
from scheduling.models import Group, GroupMembership, WaitlistEntry, WaitlistOffer
from scheduling.services import offer_seat, put_on_waitlist
from tests import factories as f
from tests.attendance import folders

pytestmark = pytest.mark.django_db

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
JOB = Job("import")
WITHOUT = "group,record_number,starts_on,ends_on\nHarbor A,H-2,2026-03-02,"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clinic is brought in; the one patient in treatment sits in no group yet."""
    attendance = "\n".join(folders.GOOD["attendance"].splitlines()[::2])
    folders.write(tmp_path, memberships=WITHOUT, attendance=attendance)
    bring(tmp_path)
    return folders.write(tmp_path, attendance=attendance)


def bring(folder: Path) -> None:
    import_clinic(folder=folder, by=JOB, now=NOW)


def offered(episode: Episode) -> WaitlistOffer:
    group, now = Group.objects.get(), timezone.now()
    by = f.staff(group.clinic)
    entry = put_on_waitlist(group=group, episode=episode, by=by)
    return offer_seat(
        entry=entry, starts_on=timezone.localdate(), method="call", result="reached",
        expires_at=now + datetime.timedelta(days=1), by=by,
    )  # fmt: skip


def stranger() -> Episode:
    group = Group.objects.get()
    return f.admitted(group.clinic, program=group.program)


def test_whoever_waited_for_the_seat_has_accepted(folder: Path) -> None:
    offer = offered(Episode.objects.get(patient__record_number="H-1"))
    bring(folder)
    offer.refresh_from_db()
    assert (offer.answer, WaitlistEntry.objects.get().state) == ("accepted", "enrolled")


def test_an_offer_for_which_no_seat_is_left_is_withdrawn(folder: Path) -> None:
    group = Group.objects.get()
    for seat in range(2, 9):
        GroupMembership.objects.create(
            clinic=group.clinic, group=group, episode=stranger(), seat=seat,
            starts_on=datetime.date(2026, 3, 2),
        )  # fmt: skip
    offer = offered(stranger())
    later = f"{WITHOUT}\nHarbor A,H-1,2026-03-09,"
    bring(folders.write(folder, memberships=later, attendance=""))
    offer.refresh_from_db()
    assert GroupMembership.objects.filter(ends_on__isnull=True).count() == 8
    assert (offer.answer, offer.reason) == ("withdrawn", "The seat was given to somebody else.")
    assert WaitlistEntry.objects.get().state == "waiting"


def test_a_seat_that_has_ended_settles_nothing(folder: Path) -> None:
    offer = offered(Episode.objects.get(patient__record_number="H-1"))
    line = "Harbor A,H-1,2026-03-02,2026-03-05"
    folders.write(folder, memberships=f"{WITHOUT}\n{line}", attendance="")
    bring(folder)
    offer.refresh_from_db()
    assert (offer.answer, WaitlistEntry.objects.get().state) == ("open", "offered")
