"""A few hundred patients brought from another program's files, and their weeks added up apart."""

import datetime
import random

import pytest

from attendance.compliance.status import week_statuses
from attendance.imports.problems import ImportRefused
from attendance.imports.services import import_attendance, import_clinic
from attendance.models import AttendanceRecord
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from patients.models import Episode
from scheduling.models import Booking, Session
from tests.proof import elsewhere

JOB = Job("import")
NOW = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
MONDAYS = [elsewhere.MONDAY + 7 * n * elsewhere.DAY for n in range(elsewhere.WEEKS)]

pytestmark = pytest.mark.django_db


STAFF = """email,name,role,credentials,license_credential,license_state,license_number,license_expires_on
lead@example.com,Lee Lead,therapist,LCSW,LCSW,IL,C-1,2030-01-31
"""  # noqa: E501
PATIENTS = ("record_number", "first_name", "last_name", "birth_date")
EPISODES = (
    *("record_number", "program", "referred_on", "admitted_on", "discharged_on"),
    *("discharge_reason", "evaluated_on", "diagnosis", "agreement_signed_on"),
)
PLANS = ("record_number", "starts_on", "level", "age_bracket", "weekly_minutes", "days_per_week")


def opened(folder, cast):
    """The clinic, its people and their papers, through the importer's own door."""
    (folder / "staff.csv").write_text(STAFF)
    save(folder, "clinic", ("name", "zone"), [("Prairie IOP", elsewhere.ZONE)])
    save(folder, "programs", ("name", "kind"), [("Day program", "substance_use")])
    born = {True: "2010-01-01", False: "1990-01-01"}
    save(folder, "patients", PATIENTS, [(p.record, "A", "Test", born[p.young]) for p in cast])
    save(folder, "episodes", EPISODES, [episode(p) for p in cast])
    brackets = {True: ("adolescent", 360), False: ("adult", 540)}
    plans = [(p.record, p.admitted, "IOP", *brackets[p.young], 3) for p in cast]
    save(folder, "plans", PLANS, plans)
    import_clinic(folder=folder, by=JOB, now=NOW)
    return Clinic.objects.get(name="Prairie IOP")


def episode(one):
    on, left = one.admitted, one.discharged or ""
    why = "completed" if left else ""
    return (one.record, "Day program", on, on, left, why, on, "F10.20", on)


def save(folder, name, columns, rows):
    lines = [",".join(str(cell) for cell in row) for row in (columns, *rows)]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def brought(folder, clinic, lines):
    file = folder / "sign-ins.txt"
    file.write_bytes(elsewhere.as_saved(lines))
    return import_attendance(file=file, clinic=clinic, by=JOB, now=NOW)


def judged(clinic):
    """What the product says of every patient's week: minutes, days, both statuses."""
    rows = Episode.objects.filter(clinic=clinic).values_list("pk", "patient__record_number")
    record = dict(rows)
    found = week_statuses(clinic=clinic, episode_ids=list(record), weeks=MONDAYS, now=NOW)
    return {
        (record[week.episode_id], week.week.start): (
            (week.scheduled, week.credited, week.days),
            [(one.minutes_status.value, one.days_status.value) for one in week.standards],
        )
        for week in found.values()
    }


def reckoned(cast, lines):
    """The same from the text of the list. Nobody has a timetable, so nothing is prorated."""
    weeks = elsewhere.weeks(lines, {one.record for one in cast if one.young})
    found = {}
    for one in cast:
        for monday in MONDAYS:
            week = weeks[one.record, monday]
            treated = any(one.there(monday + n * elsewhere.DAY) for n in range(7))
            minimum = 360 if one.young else 540
            statuses = (
                "met" if week.credited >= minimum else "short",
                "met" if week.days >= 3 else "short",
            )
            figures = (week.scheduled, week.credited, week.days)
            found[one.record, monday] = (figures, [statuses] if treated else [])
    return found


def test_the_weeks_of_two_hundred_and_forty_patients(tmp_path):
    rng = random.Random(7)
    cast = elsewhere.people(rng, 240)
    clinic, lines = opened(tmp_path, cast), elsewhere.sign_ins(rng, cast)
    outcome = brought(tmp_path, clinic, lines)
    assert (outcome.total.created, outcome.total.differs) == (len(lines), 0)
    expected, said = reckoned(cast, lines), judged(clinic)
    assert {status for _, pairs in expected.values() for pair in pairs for status in pair} == {
        "met",
        "short",
    }
    assert {key: said[key] for key in expected if said[key] != expected[key]} == {}
    assert said.keys() == expected.keys()


SPOILED = {
    "another patient": lambda end, came, record, date, start: (end, came, "old/9999", date, start),
    "a month too many": lambda end, came, record, date, start: (
        end, came, record, "13/1/2026", start,
    ),
    "maybe": lambda end, came, record, date, start: (end, "MAYBE", record, date, start),
    "backwards": lambda end, came, record, date, start: (start, came, record, date, end),
    "no start": lambda end, came, record, date, start: (end, came, record, date, ""),
    "no end": lambda end, came, record, date, start: ("", came, record, date, start),
    "a formula": lambda end, came, record, date, start: (end, came, f"={record}", date, start),
    "a cell too many": lambda *cells: (*cells, "present"),
    "a cell too few": lambda *cells: cells[:4],
    "before anybody came": lambda end, came, record, date, start: (
        end, came, record, "1/5/2026", start,
    ),
    "tomorrow": lambda end, came, record, date, start: (end, came, record, "11/21/2026", start),
    "25 o'clock": lambda end, came, record, date, start: (end, came, record, date, "25:00"),
}  # fmt: skip


def test_bad_lines_are_named_all_at_once_and_nothing_is_written(tmp_path):
    rng = random.Random(8)
    cast = elsewhere.people(rng, 15)
    clinic, lines = opened(tmp_path, cast), elsewhere.sign_ins(rng, cast)
    spoiled = dict(zip(rng.sample(range(len(lines)), len(SPOILED)), SPOILED, strict=True))
    bad = [
        ",".join(SPOILED[spoiled[n]](*line.replace('"', "").split(","))) if n in spoiled else line
        for n, line in enumerate(lines)
    ]
    with pytest.raises(ImportRefused) as refused:
        brought(tmp_path, clinic, [*bad, lines[0]])
    named = {problem.line for problem in refused.value.problems}
    assert named == {n + 2 for n in spoiled} | {len(lines) + 2}  # the first line stands twice
    for model in (Session, Booking, AttendanceRecord):
        assert not model.objects.filter(clinic=clinic).exists()
    assert brought(tmp_path, clinic, lines).total.created == len(lines)
    assert judged(clinic) == reckoned(cast, lines)
