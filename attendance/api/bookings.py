"""Single bookings over REST: book, also as a make-up; notice of one session; withdraw."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from attendance import bookings
from attendance.api.make_ups import MakeUpOut
from attendance.bookings import is_offered
from attendance.compliance.make_ups import find_make_ups
from attendance.models.records import AbsenceReason
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.api.fields import (
    InOwnZone,
    Instant,
    PersonRef,
    PublicId,
    Strict,
    Text,
    Zone,
)
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.api.problems import Problem, from_refusal
from iop_clinic.accounts.api.views import View
from iop_clinic.accounts.prepared import prepared
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.visibility import Sight, visible
from patients.models import Episode, Patient
from scheduling.api.additions import episode_on
from scheduling.models import Booking, Session


class BookingBody(Strict):
    session = PublicId()
    patient = PublicId()
    makes_up = PublicId(
        required=False, allow_null=True, help_text="The missed booking it stands for."
    )


class NoticeBody(Strict):
    notified_at = Instant(help_text="When the patient told; never in the future.")
    reason = serializers.ChoiceField(AbsenceReason.choices)


class WithdrawBody(Strict):
    reason = Text(max_length=200)


class BookedSessionOut(serializers.Serializer):
    id = PublicId(source="public_id")
    title = serializers.CharField()
    starts_at = Instant()
    ends_at = Instant()
    zone = serializers.CharField()
    local_date = serializers.DateField()


class BookingOut(InOwnZone):
    path_to_zone: ClassVar = ["session", "zone"]

    id = PublicId(source="public_id")
    session = BookedSessionOut()
    patient = PersonRef()
    seat = serializers.IntegerField()
    state = serializers.ChoiceField(Booking.State.choices)
    makes_up = PublicId(source="makes_up.public_id", default=None, allow_null=True)
    released_at = Instant(allow_null=True)
    zone = Zone()
    version = serializers.IntegerField()


SHOWN = ("clinic", "patient", "session__group", "session__session_type", "makes_up")


class BookingView(View):
    made = "id"

    def bookings(self) -> QuerySet[Booking]:
        return Booking.objects.visible_to(self.user).select_related(*SHOWN)

    def representation(self, public_id: Any) -> Mapping[str, Any]:
        row = self.own(self.bookings(), public_id)
        return BookingOut(row).data


class Bookings(BookingView):
    needs: ClassVar = {"POST": Can.BOOK}

    def bookings(self) -> QuerySet[Booking]:
        """Of the patients one sees: a make-up may be in a colleague's session."""
        seen = Patient.objects.visible_to(self.user)
        return Booking.objects.filter(patient__in=seen).select_related(*SHOWN)

    @extend_schema(summary="Book a session", request=BookingBody, responses={201: BookingOut})
    @idempotent
    def post(self, request: Request) -> Response:
        """Booked already: that booking. A session of others only while it is on the patient's list
        of make-ups. With `makes_up`, a booking missed in the same week and not made up yet, every
        check of that list holds. 409 `session_full` brings the list again as `make_ups`."""
        given = self.body(BookingBody)
        now = timezone.now()
        episodes = self._episodes(given["patient"])
        session = self._session(episodes, given["session"], now)
        episode = episode_on(session.local_date, episodes)
        missed = self._missed(episode, given.get("makes_up"))
        try:
            row = self._book(session, episode, missed)
        except Refused as refusal:
            # The service speaks of an episode, the client of a patient.
            refusal.field = "patient" if refusal.field == "episode" else refusal.field
            if refusal.code != "session_full":
                raise
            problem = from_refusal(refusal)
            left = find_make_ups(episode=episode, day=session.local_date, now=now).candidates
            context = {"zone": episode.clinic.tz}
            problem.members["make_ups"] = MakeUpOut(left, many=True, context=context).data
            raise problem from refusal
        row.patient = episode.patient
        return Response(BookingOut(row).data, status=status.HTTP_201_CREATED)

    def _book(self, session: Session, episode: Episode, missed: Booking | None) -> Booking:
        if missed is None:
            return bookings.book(session=session, episode=episode, by=self.user)
        return bookings.book_make_up(
            session=session, episode=episode, makes_up=missed, by=self.user
        )

    def _episodes(self, patient: UUID) -> list[Episode]:
        """Of a patient one sees, the latest first, in a clinic where one may book."""
        found = _episodes(self.user.sight, patient)
        if not found:
            raise Problem.at(["patient"], "not_found", "There is no such patient here.", status=404)
        self.allow(found[0].clinic_id)
        return found

    def _session(self, episodes: list[Episode], public_id: UUID, now: datetime.datetime) -> Session:
        found = _session(self.user.sight, episodes[0].clinic_id, public_id)
        if found and (found[0].seen or _may_make_up(found[0], episodes, now)):
            return found[0]
        raise Problem.at(["session"], "not_found", "There is no such session here.", status=404)

    def _missed(self, episode: Episode, public_id: UUID | None) -> Booking | None:
        if public_id is None:
            return None
        row = Booking.objects.filter(patient=episode.patient_id, public_id=public_id).first()
        if row is None:
            message = "The patient has no such booking."
            raise Problem.at(["makes_up"], "unknown_booking", message)
        return row


@prepared
def _episodes(sight: Sight, patient: UUID) -> QuerySet[Episode]:
    seen = Patient.objects.seen_by(sight).filter(public_id=patient)
    rows = Episode.objects.filter(patient__in=seen).select_related("patient", "clinic")
    return rows.order_by("-referred_on", "-id")


@prepared
def _session(sight: Sight, clinic: int, public_id: UUID) -> QuerySet[Any]:
    """The clinic's session, and whether it is `seen`."""
    rows: QuerySet[Any] = Session.objects.select_related("session_type")
    rows = rows.filter(clinic=clinic, public_id=public_id)
    seen = ExpressionWrapper(visible(Session, sight), output_field=BooleanField())
    return rows.annotate(seen=seen)


def _may_make_up(session: Session, episodes: list[Episode], now: datetime.datetime) -> bool:
    episode = episode_on(session.local_date, episodes)
    return is_offered(episode=episode, session=session, now=now)


class Release(BookingView):
    needs: ClassVar = {"POST": Can.TAKE_CALL_INS}

    @extend_schema(summary="Note a notice", request=NoticeBody, responses={200: BookingOut})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """The patient will not come: the seat is free, the patient still expected."""
        row = self.own(self.bookings(), public_id)
        given = self.body(NoticeBody)
        bookings.release(booking=row, by=self.user, **given)
        return Response(self.representation(public_id))


class Withdraw(BookingView):
    needs: ClassVar = {"POST": Can.BOOK}

    @extend_schema(summary="Withdraw a booking", request=WithdrawBody, responses={200: BookingOut})
    @idempotent
    def post(self, request: Request, public_id: UUID) -> Response:
        """The clinic or the plan changed: the booking counts nowhere."""
        row = self.own(self.bookings(), public_id)
        given = self.body(WithdrawBody)
        bookings.withdraw(booking=row, by=self.user, **given)
        return Response(self.representation(public_id))
