"""What a client writes to plan a session, and the clinic's rows that it means."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q
from rest_framework import serializers

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.api.fields import Flag, Instant, PublicId, Strict, Text
from iop_clinic.accounts.api.problems import Problem
from iop_clinic.accounts.models import Clinic, Therapist, User
from iop_clinic.accounts.weeks import local_date
from patients.models import Episode
from scheduling.eligibility import is_active
from scheduling.models import Group, Room, SessionType

M = TypeVar("M", bound=Model)

MOST_PATIENTS = 200  # no session has more seats
OF_PATIENTS = {"not_active", "not_suitable", "on_hold", "patient_busy", "session_full"}


class ClinicBody(serializers.Serializer):
    """The part of a body that says where: the permission is asked before the rest is read."""

    clinic = PublicId(required=False)


class SessionPlan(Strict):
    """Session type, room and therapist are named as answers name them: those of a free hour of
    `make-ups` can be sent as they are, its `session_type` as `type`."""

    type = Text(
        max_length=60,
        help_text="The session type's name, in upper or lower case, as `session_type` shows it "
        "elsewhere; or a `kind` of which the clinic has one type.",
    )
    therapist = Text(
        max_length=120, help_text="Who leads it: an id, or a name as sessions and free hours show."
    )
    starts_at = Instant()
    ends_at = Instant(help_text="15 minutes to 6 hours after the start.")
    room = Text(
        required=False,
        allow_null=True,
        max_length=60,
        help_text="The room's name, in upper or lower case, as sessions show it.",
    )
    by_video = Flag(required=False, help_text="It meets by video, and in no room.")
    off_site = Text(
        required=False,
        allow_blank=True,
        max_length=80,
        help_text="Where else it meets, in neutral words; in no room then.",
    )
    patients = serializers.ListField(
        child=PublicId(),
        required=False,
        max_length=MOST_PATIENTS,
        help_text="Who is booked in the same step. An individual session has as many seats.",
    )
    group = PublicId(
        required=False,
        allow_null=True,
        help_text="An extra session of a group: with its capacity. Members are booked if named.",
    )
    clinic = PublicId(required=False, help_text="Default: the current clinic.")

    def validate_patients(self, ids: list[UUID]) -> list[UUID]:
        twice = {n: "Name each patient once." for n, one in enumerate(ids) if one in ids[:n]}
        if twice:
            raise serializers.ValidationError(twice, code="given_twice")  # type: ignore[arg-type]
        return ids


def planned(given: dict[str, Any], *, clinic: Clinic, user: User) -> dict[str, Any]:
    """The arguments of `create_session`. Raises a 404 problem at the place of what is not visible,
    400 `ambiguous` with the `choices` where several rows bear the name."""
    day = local_date(given["starts_at"], clinic.tz)
    return {
        "session_type": _session_type(given["type"], clinic, user),
        "therapist": _therapist(given["therapist"], clinic, user),
        "starts_at": given["starts_at"],
        "ends_at": given["ends_at"],
        "room": _room(given.get("room"), clinic, user),
        "by_video": given.get("by_video", False),
        "off_site": given.get("off_site", ""),
        "group": _group(given.get("group"), clinic, user),
        "episodes": _episodes(given.get("patients", []), day, clinic, user),
    }


def place_of(refusal: Refused, *, patients: int) -> str:
    """The service speaks of episodes and the clinic, the client of `patients` and `starts_at`."""
    if refusal.code in OF_PATIENTS:
        return "patients.0" if patients == 1 else "patients"
    return "starts_at" if refusal.code == "clinic_closed" else refusal.field


def _session_type(said: str, clinic: Clinic, user: User) -> SessionType:
    types = SessionType.objects.visible_to(user).in_clinic(clinic).filter(active=True)
    found = list(types.filter(Q(name__iexact=said) | Q(kind=said)).order_by("name"))
    named = [row for row in found if row.name.lower() == said.lower()]
    return _only(named or found, "type", "session type", [row.name for row in found])


def _therapist(said: str, clinic: Clinic, user: User) -> Therapist:
    staff = Therapist.objects.visible_to(user).in_clinic(clinic).filter(active=True)
    found = list(staff.filter(_id_or_name(said)).order_by("pk"))
    return _only(found, "therapist", "therapist", [str(row.public_id) for row in found])


def _id_or_name(said: str) -> Q:
    try:
        return Q(public_id=UUID(said))
    except ValueError:
        return Q(name__iexact=said)


def _room(said: str | None, clinic: Clinic, user: User) -> Room | None:
    if said is None:
        return None
    rooms = Room.objects.visible_to(user).in_clinic(clinic).filter(active=True)
    return _only(list(rooms.filter(name__iexact=said)), "room", "room")


def _group(public_id: UUID | None, clinic: Clinic, user: User) -> Group | None:
    if public_id is None:
        return None
    groups = Group.objects.visible_to(user).in_clinic(clinic).filter(active=True)
    return _only(list(groups.filter(public_id=public_id)), "group", "group")


def _only(found: list[M], field: str, word: str, choices: Sequence[str] = ()) -> M:
    if not found:
        raise Problem.at([field], "not_found", f"There is no such {word} here.", status=404)
    if len(found) > 1:
        problem = Problem.at([field], "ambiguous", f"Several are meant: name one {word}.")
        problem.members["choices"] = list(choices)
        raise problem
    return found[0]


def _episodes(ids: Sequence[UUID], day: datetime.date, clinic: Clinic, user: User) -> list[Episode]:
    """Each patient's episode on the day, or else the latest, which planning will refuse."""
    rows = Episode.objects.visible_to(user).in_clinic(clinic).select_related("patient")
    found: dict[UUID, Episode] = {}
    for row in rows.filter(patient__public_id__in=ids).order_by("referred_on", "pk"):
        known = found.get(row.patient.public_id)
        if known is None or is_active(row, day) or not is_active(known, day):
            found[row.patient.public_id] = row
    for n, public_id in enumerate(ids):
        if public_id not in found:
            message = "There is no such patient here."
            raise Problem.at(["patients", n], "not_found", message, status=404)
    return [found[public_id] for public_id in ids]
