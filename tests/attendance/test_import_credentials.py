"""Credentials of session types in files: read, compared, written, and told of history."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from attendance.imports.problems import ImportRefused, Problem
from attendance.imports.services import Outcome, import_clinic
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.models import Clinic
from scheduling.models import Session, SessionType
from tests.attendance import folders
from tests.attendance.exported import tables, taken

NOW = datetime.datetime(2026, 3, 11, 12, tzinfo=datetime.UTC)
JOB = Job("import")

pytestmark = pytest.mark.django_db


def types(*lines: str) -> str:
    return "\n".join(["name,kind,credentials", *lines])


def bring(folder: Path, **files: str) -> Outcome:
    return import_clinic(folder=folders.write(folder, **files), by=JOB, now=NOW)


def stored(name: str) -> tuple[list[str], int]:
    found = SessionType.objects.get(clinic__name="Harbor IOP", name=name)
    return found.credentials, found.ceiling


@pytest.mark.parametrize("cell", ['"LCSW, lpc"', "LCSW LPC", "LCSW;LPC;LCSW"])
def test_a_clinic_that_is_opened_by_its_files_has_their_credentials(tmp_path, cell):
    outcome = bring(tmp_path, session_types=types(f"Family,family,{cell}", "Music,group,RN"))
    assert (stored("Family"), stored("Music")) == ((["LCSW", "LPC"], 4), (["RN"], 15))
    assert (stored("Individual"), outcome.differing) == (([], 1), [])
    counts = outcome.counts["session_types.csv"]
    assert (counts.created, counts.unchanged, counts.differs) == (1, 1, 0)


def test_a_clinic_that_is_there_is_compared_and_kept(tmp_path):
    bring(tmp_path)
    SessionType.objects.filter(name="Family").update(credentials=["LMFT"])
    outcome = bring(tmp_path, session_types=types('Family,family,"LCSW, LPC"', "Music,group,"))
    assert (stored("Family")[0], stored("Music")[0]) == (["LMFT"], [])
    (differing,) = outcome.differing
    assert differing.column == "credentials"
    assert differing.reason.startswith("LCSW LPC in the file, LMFT in the clinic")


@pytest.mark.parametrize("cell", ["L.C.S.W", "1st", "X" * 21])
def test_what_is_no_code_is_a_problem_of_its_cell(tmp_path, cell):
    with pytest.raises(ImportRefused) as caught:
        bring(tmp_path, session_types=types(f"Family,family,{cell}"))
    said = f"“{cell.upper()}” is not a credential such as LCSW"
    assert caught.value.problems == [Problem("session_types.csv", 2, "credentials", said)]
    assert not Clinic.objects.exists()


def test_an_export_carries_them(tmp_path):
    bring(tmp_path, session_types=types('Family,family,"LCSW, LPC"'))
    clinic = Clinic.objects.get(name="Harbor IOP")
    rows = {row[0]: row[-1] for row in tables(taken(clinic, "whole"))["session_types"]}
    assert (rows["Family"], rows["Individual"]) == ("LCSW, LPC", "")


def test_history_is_told_and_not_refused(tmp_path):
    outcome = bring(tmp_path, session_types=types("Group therapy,group,LPC"))
    asked = "License: Group therapy asks for LPC in CT, and Lee Lead has none"
    said = f"Harbor A, Mon Mar 2, 9:00 AM: {asked}, and for 4 more of its sessions"
    assert [note for note in outcome.notes if "License" in note] == [said]
    marked = Session.objects.exclude(needs_attention="").filter(group__name="Harbor A")
    assert marked.filter(needs_attention__startswith="License").count() == 5
