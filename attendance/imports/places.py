"""The clinic, its staff, and the rows that stand for themselves: rooms, types, programs, payers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model

from attendance.clinics import open_clinic
from attendance.imports.columns import Table, folded
from attendance.imports.differences import another, two_values
from attendance.imports.intake import Draft, Intake
from attendance.imports.problems import Problem
from attendance.imports.reading import Reading, Row
from attendance.imports.tables import (
    CLINIC,
    PATIENTS,
    PAYERS,
    PROGRAMS,
    ROOMS,
    SESSION_TYPES,
    STAFF,
)
from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.models import Clinic, License, Membership, Therapist, User
from iop_clinic.accounts.roles import Can, Role
from iop_clinic.accounts.services import add_member
from patients.models import Patient, Payer, Program
from scheduling.models import Room, SessionType

STAND_IN = "A clinic whose own row cannot be read"
ONLY_ADMINISTRATORS = "staff are brought in by an administrator: leave this table out, or ask one"
LICENSE = ("license_credential", "license_state", "license_number", "license_expires_on")


def clinic_of(reading: Reading, by: User | Job) -> tuple[Clinic, bool]:
    """The clinic of the folder and whether it was opened now.

    If its row is bad, a stand-in takes its place (all of it is rolled back), so that the other
    files are checked in the same pass.
    """
    rows = reading.of(CLINIC)
    told = any(problem.file.lower() == CLINIC.file for problem in reading.problems)
    if len(rows) != 1 and not told and CLINIC.name not in reading.broken:
        sentence = f"must hold one clinic, not {len(rows)}"
        reading.problems.append(Problem(CLINIC.file, 1, "", sentence))
    row = rows[0] if len(rows) == 1 else None
    if row is not None and row["name"]:
        found = Clinic.objects.filter(name__iexact=row["name"]).first()
        if found is not None:
            return found, False
    if row is not None and not row.bad:
        try:
            return open_clinic(by=by, **row.values), True
        except Refused as refused:
            reading.problems.append(row.problem(refused.field, refused.message))
    return open_clinic(name=STAND_IN, zone="America/New_York", by=by), True


def note_clinic(intake: Intake) -> None:
    """Count the clinic's own row, or compare it with the clinic as it is."""
    for row in intake.rows(CLINIC):
        if intake.opened:
            intake.counts[CLINIC.file].created += 1
        else:
            draft = Draft(row, Clinic(**row.values), row.key)
            intake.compared(row, intake.differences(draft, intake.clinic))


def refuse_other_clinic(intake: Intake) -> None:
    """A clinic's own row among the files is that of the clinic they are brought into."""
    for row in intake.reading.of(CLINIC):
        if row["name"] and folded(row["name"]) != folded(intake.clinic.name):
            sentence = f"these files are of another clinic; this one is {intake.clinic.name}"
            intake.refuse(row, "name", sentence)


def refuse_staff(reading: Reading, clinic: Clinic, by: User) -> None:
    """Roles and licenses come from whoever manages staff."""
    if reading.of(STAFF) and not by.may(Can.MANAGE_STAFF, clinic):
        rows = reading.rows.pop(STAFF.name)
        reading.break_off(STAFF, rows[0].file, 0, ONLY_ADMINISTRATORS)


def load_plain(intake: Intake) -> None:
    """Tables whose key is one field of one model."""
    for table, model in (
        (ROOMS, Room),
        (SESSION_TYPES, SessionType),
        (PROGRAMS, Program),
        (PAYERS, Payer),
        (PATIENTS, Patient),
    ):
        load_by_key(intake, table, model)


def load_by_key(intake: Intake, table: Table, model: type[Model]) -> None:
    known = intake.known[table.name]
    (name,) = table.key
    for stored in model._default_manager.filter(clinic=intake.clinic):
        known[folded(getattr(stored, name))] = stored
    drafts = [intake.draft(row, model, folded(row[name])) for row in intake.rows(table)]
    if intake.opened:
        _complete(intake, [draft for draft in drafts if draft], known)
    for draft in intake.settle(table, drafts, known):
        known[draft.key] = draft.instance


def _complete(intake: Intake, drafts: Iterable[Draft], known: Mapping[Any, Any]) -> None:
    """What every clinic begins with is in a new one as its files say."""
    for draft in drafts:
        stored = known.get(draft.key)
        if stored is not None:
            for name, value in intake.fields(draft.row, type(stored)).items():
                setattr(stored, name, value)
            stored.save()


# --- staff ---------------------------------------------------------------------------------------


def load_staff(intake: Intake) -> None:
    """Users without a password (they set it by invitation or reset), roles and licenses."""
    stored = {
        membership.user.email.lower(): membership
        for membership in Membership.objects.filter(clinic=intake.clinic).select_related(
            "user", "therapist"
        )
    }
    for row in intake.rows(STAFF):
        _check_license(intake, row)
        membership = stored.get(row["email"])
        if row.bad:
            continue
        if membership is not None:
            intake.compared(row, _differences(row, membership))
        else:
            membership = _join(intake, row)
        if membership is not None and membership.therapist is not None:
            intake.known["therapists"][row["email"]] = membership.therapist
    for email, membership in stored.items():
        if membership.therapist is not None:
            intake.known["therapists"].setdefault(email, membership.therapist)


def _check_license(intake: Intake, row: Row) -> None:
    missing = [name for name in LICENSE if row[name] is None]
    if missing and len(missing) < len(LICENSE):
        intake.refuse(row, missing[0], "must be filled when other columns of the license are")
    if not missing and not _is_therapist(row):
        intake.refuse(row, "credentials", "must be filled for staff with a license")


def _is_therapist(row: Row) -> bool:
    return row["role"] == Role.THERAPIST or row["credentials"] is not None


def _join(intake: Intake, row: Row) -> Membership | None:
    therapist = None
    if _is_therapist(row):
        therapist = Therapist.objects.create(clinic=intake.clinic, **_therapist(row))
    if therapist is not None and row["license_number"] is not None:
        License.objects.create(clinic=intake.clinic, therapist=therapist, **_license(row))
    try:
        membership = add_member(
            clinic=intake.clinic,
            email=row["email"],
            name=row["name"],
            role=row["role"],
            by=intake.by,
            therapist=therapist,
            ends_on=row["access_until"],
        )
    except Refused as refused:
        column = "access_until" if refused.field == "ends_on" else refused.field
        intake.refuse(row, column, refused.message)
        return None
    intake.counts[STAFF.file].created += 1
    return membership


def _therapist(row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "credentials": row["credentials"] or "",
        "phone": row["phone"] or "",
    }


def _license(row: Row) -> dict[str, Any]:
    return {
        "credential": row["license_credential"],
        "state": row["license_state"],
        "number": row["license_number"],
        "expires_on": row["license_expires_on"],
        "may_diagnose": row["license_may_diagnose"] is not False,
    }


def _differences(row: Row, stored: Membership) -> dict[str, str]:
    therapist = stored.therapist
    pairs = [
        ("name", row["name"], stored.user.name),
        ("role", row["role"], stored.role),
        ("access_until", row["access_until"], stored.ends_on),
    ]
    if therapist is not None:
        now = _therapist(row)
        pairs += [(name, now[name], getattr(therapist, name)) for name in ("credentials", "phone")]
    different = {name: two_values(told, kept) for name, told, kept in pairs if told != kept}
    licenses = License.objects.filter(therapist=therapist)
    if row["license_number"] is not None and not licenses.filter(**_license(row)).exists():
        different["license_number"] = another(row["license_number"])
    return different
