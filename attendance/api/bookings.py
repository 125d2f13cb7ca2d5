"""Single bookings over REST: book, also as a make-up; notice of one session; withdraw."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
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
from iop_clinic.accounts.api.fields import Instant, PersonRef, PublicId, Strict, Text
from iop_clinic.accounts.api.idempotency import idempotent
from iop_clinic.accounts.api.problems import Problem, from_refusal
from iop_clinic.accounts.api.views import View
from iop_clinic.accounts.roles import Can
from patients.models import Episode, Patient
from scheduling.api.additions import episode_to_book
from scheduling.models import Booking, Session


class BookingBody(Strict):
    session = PublicId()
    patient = PublicId()
    makes_up = PublicId(required=False, help_text="The missed booking it stands for.")


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


class BookingOut(serializers.Serializer):
    id = PublicId(source="public_id")
    session = BookedSessionOut()
    patient = PersonRef()
    seat = serializers.IntegerField()
    state = serializers.ChoiceField(Booking.State.choices)
    makes_up = PublicId(source="makes_up.public_id", default=None, allow_null=True)
    released_at = Instant(allow_null=True)
    version = serializers.IntegerField()


SHOWN = ("clinic", "patient", "session__group", "session__session_type", "makes_up")


class BookingView(View):
    made = "id"

    def bookings(self) -> QuerySet[Booking]:
        return Booking.objects.visible_to(self.user).select_related(*SHOWN)

    def representation(self, public_id: Any) -> Mapping[str, Any]:
        row = self.own(self.bookings(), public_id)
        return BookingOut(row, context={"zone": row.clinic.tz}).data


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
        patient = self._patient(given["patient"])
        session = self._session(patient, given["session"], now)
        episode = episode_to_book(session, patient.public_id)
        missed = self._missed(patient, given.get("makes_up"))
        try:
            row = self._book(session, episode, missed)
        except Refused as refusal:
            # The service speaks of an episode, the client of a patient.
            refusal.field = "patient" if refusal.field == "episode" else refusal.field
            if refusal.code != "session_full":
                raise
            problem = from_refusal(refusal)
            left = find_make_ups(episode=episode, day=session.local_date, now=now).candidates
            context = {"zone": session.clinic.tz}
            problem.members["make_ups"] = MakeUpOut(left, many=True, context=context).data
            raise problem from refusal
        return Response(self.representation(row.public_id), status=status.HTTP_201_CREATED)

    def _book(self, session: Session, episode: Episode, missed: Booking | None) -> Booking:
        if missed is None:
            return bookings.book(session=session, episode=episode, by=self.user)
        return bookings.book_make_up(
            session=session, episode=episode, makes_up=missed, by=self.user
        )

    def _patient(self, public_id: UUID) -> Patient:
        seen = Patient.objects.visible_to(self.user).filter(public_id=public_id)
        patient = seen.select_related("clinic").first()
        if patient is None:
            raise Problem.at(["patient"], "not_found", "There is no such patient here.", status=404)
        self.allow(patient.clinic_id)
        return patient

    def _session(self, patient: Patient, public_id: UUID, now: datetime.datetime) -> Session:
        rows = Session.objects.filter(clinic=patient.clinic_id, public_id=public_id)
        session = rows.select_related("clinic").first()
        if session is None or not (self._sees(session) or self._may_make_up(patient, session, now)):
            raise Problem.at(["session"], "not_found", "There is no such session here.", status=404)
        return session

    def _sees(self, session: Session) -> bool:
        return Session.objects.visible_to(self.user).filter(pk=session.pk).exists()

    def _may_make_up(self, patient: Patient, session: Session, now: datetime.datetime) -> bool:
        episode = episode_to_book(session, patient.public_id)
        return is_offered(episode=episode, session=session, now=now)

    def _missed(self, patient: Patient, public_id: UUID | None) -> Booking | None:
        if public_id is None:
            return None
        row = Booking.objects.filter(patient=patient, public_id=public_id).first()
        if row is None:
            message = "The patient has no such booking."
            raise Problem.at(["makes_up"], "unknown_booking", message)
        return row


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
