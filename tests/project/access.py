"""The cast of the access matrix: whoever may ask, and the rows that must not leak.

Two clinics with two caseloads each (`Party`), so that every answer could show a colleague's or a
stranger's row. What is expected is reckoned from the plain tables here and in
test_api_access.py, never by the code that decides.
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.urls import URLResolver, get_resolver, reverse
from rest_framework.test import APIClient

from attendance.models import Flag
from iop_clinic.accounts.models import Clinic, Device, User
from iop_clinic.accounts.roles import Role
from patients.models import Patient
from scheduling.models import Booking, CallIn, GroupMembership
from tests import factories
from tests.api import AFTER, DAY, Roster, client_of, roster

MONDAY = datetime.date.fromisoformat(DAY)
SEES = {"view_patients", "view_schedule", "view_flags"}
WORKS = SEES | {
    "edit_patients", "manage_episodes", "manage_authorizations", "manage_schedule", "book",
    "take_call_ins", "record_attendance", "sign_rosters", "work_flags", "view_reports", "export",
    "import",
}  # fmt: skip
MAY: dict[str, set[str]] = {
    "administrator": WORKS | {"manage_staff", "manage_clinic", "view_audit"},
    "coordinator": WORKS,
    "front_desk": {"view_patients", "edit_patients", "view_schedule", "book", "take_call_ins"},
    "therapist": SEES
    | {"book", "take_call_ins", "record_attendance", "sign_rosters", "work_flags"},
    "utilization_review": SEES | {"manage_authorizations", "work_flags", "view_reports", "export"},
    "auditor": SEES | {"view_reports", "view_audit"},
}
"""What each role may do: written out here as well, so that a change of the role table shows."""


@dataclass(frozen=True)
class Route:
    """What a route needs and of which row.

    `needs` is the permission; empty: whoever is signed in, for it is about that person alone.
    `of` is the kind of row that decides who sees it (of the path, or of the body where the path
    has none). `gives` is the answer to whoever sees and may. `lists` is the kind of row that a
    list shows. `current`: the permission is asked in the current clinic, before any row is looked
    for. `census`: the clinic's patients by short name, whoever's caseload they are on. `notes`: a
    list that notes every row it shows as a read. In `body` "<patient>" stands for the id of that
    row.
    """

    needs: str
    of: str = ""
    gives: int = 200
    lists: str = ""
    current: bool = False
    census: bool = False
    notes: bool = False
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Party:
    """A therapist of a clinic, and one row of each kind that is theirs."""

    clinic: Clinic
    user: User
    rows: dict[str, Any]

    @property
    def ids(self) -> dict[str, str]:
        """Rooms and session types are known by their names."""
        return {k: str(getattr(r, "public_id", "") or r.name) for k, r in self.rows.items()}

    @property
    def unknown(self) -> dict[str, str]:
        """Ids that nothing has, one of each kind."""
        return {
            kind: str(uuid.UUID(int=1 << 127 | n, version=4)) for n, kind in enumerate(self.rows)
        }

    @property
    def census(self) -> set[str]:
        """What whoever adds a patient to a roster may see of any patient of the clinic."""
        patient = self.rows["patient"]
        return {str(patient.public_id), patient.preferred_name}

    @property
    def secrets(self) -> set[str]:
        """Whatever in an answer would tell of these rows."""
        patient = self.rows["patient"]
        named = {patient.first_name, patient.last_name, patient.record_number}
        others = {self.rows["group"].name, self.rows["flag"].sentence}
        shared = {"owner", "therapist", "type", "room"}  # what everybody of a clinic may see
        ids = {value for kind, value in self.ids.items() if kind not in shared}
        return named | others | ids | self.census


@dataclass(frozen=True)
class Person:
    """Who asks: their roles by clinic, those that count now."""

    client: APIClient
    user: User | None
    roles: dict[int, str]
    dead: bool = False  # no token, or the token of somebody who was deactivated

    def may(self, need: str, clinic: int | None) -> bool:
        role = self.roles.get(clinic) if clinic else None
        return not need or (role is not None and need in MAY[role])

    def sees(self, party: Party) -> bool:
        role = self.roles.get(party.clinic.pk)
        return role is not None and (role != "therapist" or party.user == self.user)


@dataclass(frozen=True)
class Cast:
    """`alice` and `bob` work in one clinic, `carol` and `dan` in another."""

    parties: dict[str, Party]
    people: dict[str, Person]


# --- building ----------------------------------------------------------------------------------


def build() -> Cast:
    here, there = factories.ClinicFactory(), factories.ClinicFactory()
    parties = {
        name: party(clinic, name)
        for name, clinic in [("alice", here), ("bob", here), ("carol", there), ("dan", there)]
    }
    return Cast(parties, people(parties, here, there))


def party(clinic: Clinic, name: str) -> Party:
    group = factories.GroupFactory(clinic=clinic, name=f"Cohort {name}")
    r = roster(1, clinic=clinic, group=group, room=factories.RoomFactory(clinic=clinic))
    factories.WeeklyBlockFactory(group=group, facilitator=r.therapist)
    booking = r.bookings[0]
    patient = renamed(booking.patient, name)
    GroupMembership.objects.create(
        clinic=clinic, group=group, episode=booking.episode, seat=1, starts_on=DAY
    )
    client_of(r.user)
    rows = {
        "session": r.session,
        "group": group,
        "booking": booking,
        "missed": missed(r),
        "patient": patient,
        "episode": booking.episode,
        "flag": flag_on(r, f"Missed, says {name}"),
        "call_in": call_in_of(r),
        "device": Device.objects.get(user=r.user),
        "owner": r.user,
        "therapist": r.therapist,
        "room": r.session.room,
        "type": r.session.session_type,
    }
    return Party(clinic, r.user, rows)


def renamed(patient: Patient, name: str) -> Patient:
    """Names that nothing else in an answer could contain."""
    patient.first_name, patient.last_name = f"First-{name}-", f"Last-{name}-"
    patient.preferred_name, patient.record_number = f"Called-{name}-", f"R-{name}-"
    patient.save()
    return patient


def missed(r: Roster) -> Booking:
    """An earlier booking of the patient that a make-up could stand for."""
    last_week = factories.session(
        r.clinic, "2026-02-23", "09:00", "10:00", therapist=r.therapist,
        session_type=r.session.session_type,
    )  # fmt: skip
    return factories.booking(last_week, r.bookings[0].episode)


def flag_on(r: Roster, sentence: str) -> Flag:
    episode = r.bookings[0].episode
    return Flag.objects.create(
        clinic=r.clinic, rule=2, subject_type=1, subject_id=episode.pk, episode=episode,
        evidence_key="2026-03-02", sentence=sentence, severity=3,
        owner_role=Role.THERAPIST, opened_for="2026-03-02", due_at=AFTER,
    )  # fmt: skip


def call_in_of(r: Roster) -> CallIn:
    return CallIn.objects.create(
        clinic=r.clinic, episode=r.bookings[0].episode, from_date=DAY, to_date=DAY,
        reason="illness", notified_at=AFTER, taken_by=r.user,
    )  # fmt: skip


def people(parties: dict[str, Party], here: Clinic, there: Clinic) -> dict[str, Person]:
    """Each role here; Carol, a therapist there and at the front desk here; and who is out."""
    alice, carol = parties["alice"].user, parties["carol"].user
    factories.staff(here, Role.FRONT_DESK, user=carol)
    User.objects.filter(pk=carol.pk).update(current_clinic=there)
    found = {
        role: signed_in(factories.staff(here, Role(role)), {here.pk: role})
        for role in MAY
        if role != "therapist"
    }
    late = factories.staff(here, Role.AUDITOR, ends_on="2026-03-01")
    out = factories.staff(here, Role.ADMINISTRATOR)
    found |= {
        "therapist": signed_in(alice, {here.pk: "therapist"}),
        "in two clinics": signed_in(carol, {there.pk: "therapist", here.pk: "front_desk"}),
        "auditor past the date": signed_in(late, {}),
        "deactivated": Person(client_of(out), out, {}, dead=True),
        "nobody": Person(APIClient(), None, {}, dead=True),
    }
    User.objects.filter(pk=out.pk).update(is_active=False)
    return found


def signed_in(user: User, roles: dict[int, str]) -> Person:
    return Person(client_of(user), user, roles)


# --- asking ------------------------------------------------------------------------------------


def ask(
    person: Person, name: str, method: str, route: Route, ids: dict[str, str], query: str = ""
) -> Any:
    """Send the route's request about the rows of these ids."""
    body = filled(route.body, ids)
    return person.client.generic(
        method, path_of(name, route, ids) + query, json.dumps(body) if body else "",
        "application/json", **route.headers,
    )  # fmt: skip


def told(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """All that a client gets."""
    return answer.status_code, answer.content, dict(answer.headers)


def filled(value: Any, ids: dict[str, str]) -> Any:
    """`value` with the ids in the place of "<patient>" and its like."""
    if isinstance(value, dict):
        return {name: filled(inner, ids) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, ids) for inner in value]
    return ids.get(value[1:-1], value) if isinstance(value, str) and value[:1] == "<" else value


def path_of(name: str, route: Route, ids: dict[str, str]) -> str:
    """The route's address: every id in it is of the row that the route is `of`."""
    dates = {"start", "date"}
    given = {p: MONDAY if p in dates else ids[route.of] for p in PATTERNS[name]}
    return reverse(f"api:{name}", kwargs=given)


def patterns_of(resolver: Any) -> Iterator[Any]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns_of(entry)
        else:
            yield entry


def api_patterns() -> list[Any]:
    (api,) = (r for r in get_resolver().url_patterns if getattr(r, "namespace", "") == "api")
    return list(patterns_of(api))


def offered() -> dict[tuple[str, str], Any]:
    """Every route and method of the URL resolver, with its view."""
    return {
        (str(pattern.name), method.upper()): pattern.callback.cls
        for pattern in api_patterns()
        for method in ("get", "post", "put", "patch", "delete")
        if hasattr(pattern.callback.cls, method)
        and method in pattern.callback.cls.http_method_names
    }


PATTERNS = {str(p.name): list(p.pattern.converters) for p in api_patterns()}
