"""Adding a patient to a roster: the answer is a roster row, so the views stand on this floor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from attendance.api.records import roster_row
from attendance.api.roster import SessionView
from attendance.api.shapes import RosterRowOut
from attendance.api.weeks import roster_weeks
from attendance.bookings import book
from attendance.compliance.settings import clinic_settings
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.roles import Can
from scheduling.api.additions import (
    AdditionBody,
    CandidateOut,
    CandidatesBody,
    candidates,
    check_date,
    episode_to_book,
    marked,
)
from scheduling.models import Booking


class Candidates(SessionView):
    needs: ClassVar = {"POST": Can.BOOK}

    @extend_schema(
        summary="Who could be added",
        request=CandidatesBody,
        responses={200: CandidateOut(many=True)},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Searches the clinic's active census; each hit is noted as a read."""
        session = self.session(public_id)
        found = marked(candidates(session, self.body(CandidatesBody)["q"]))
        self.note([session, *found])
        return self.everything(found, CandidateOut)


class Additions(SessionView):
    needs: ClassVar = {"POST": Can.BOOK}
    made = "booking"

    @extend_schema(
        summary="Add a patient to the roster", request=AdditionBody, responses={201: RosterRowOut}
    )
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """409 `session_full` (give an `overflow_reason`), `patient_busy`, `not_suitable` …; 400
        `session_date` more than 31 days after the session."""
        session = self.session(public_id)
        given = self.body(AdditionBody)
        check_date(session)
        episode = episode_to_book(session, given["patient"])
        try:
            booking = book(
                session=session,
                episode=episode,
                overflow_reason=given["overflow_reason"],
                by=self.user,
            )
        except Refused as refusal:
            # The service speaks of an episode, the client of a patient.
            refusal.field = "patient" if refusal.field == "episode" else ""
            raise
        return Response(self.representation(booking.public_id), status=status.HTTP_201_CREATED)

    def representation(self, booking_id: Any) -> Mapping[str, Any]:
        """The roster row of one booking of this session."""
        session = self.session(self.kwargs["public_id"])
        booking = self.one(
            Booking.objects.filter(session=session).select_related("session"), booking_id
        )
        row = roster_row(booking)
        settings = clinic_settings(session.clinic_id)
        weeks = roster_weeks(session.local_date, [row.episode_id], timezone.now(), settings)
        return RosterRowOut(row, context={"zone": session.clinic.tz, "weeks": weeks}).data
