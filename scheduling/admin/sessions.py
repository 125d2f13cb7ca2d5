"""Dated sessions: plan, move, cancel, revive, and who leads them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.filters import ClinicRelatedFilter
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    date_field,
    found_field,
    row_field,
    text_field,
    time_field,
    yes_field,
)
from iop_clinic.accounts.admin.panels import Panel, page_url, verb_link
from iop_clinic.accounts.admin.searching import iso_date_or_term, term_of
from iop_clinic.accounts.models import Therapist
from iop_clinic.accounts.roles import Can
from scheduling import services
from scheduling.admin.calendar_link import CalendarLinkForm
from scheduling.admin.leaders import candidate_choices, candidate_panels, candidates
from scheduling.admin.seats import Seats
from scheduling.admin.session_lines import with_booked
from scheduling.admin.wording import session_when
from scheduling.cover import Cover
from scheduling.eligibility import check_wall_times
from scheduling.models import Booking, Decision, Group, Room, Session, SessionType
from scheduling.rules import END_AFTER_START, Span, span_on
from scheduling.services.placing import check_one_place

NEUTRAL = "Where else, such as Main St clinic. Never a name: others read it."
CANCELLED_ALREADY = "The session is cancelled already."


class SessionForm(ServiceForm):
    can = Can.MANAGE_SCHEDULE
    row: Session

    @classmethod
    def offered(cls, row: Session) -> bool:
        return row.live

    def span(self) -> Span:
        """The instants of the given date and wall times."""
        given = self.cleaned_data
        if given["ends"] <= given["starts"]:
            raise Refused("session_length", END_AFTER_START, field="ends")
        day, starts, ends, zone = given["day"], given["starts"], given["ends"], self.clinic.tz
        check_wall_times(day, zone, starts=starts, ends=ends)
        return span_on(day, starts, ends, zone)


class FromWeekForm(SessionForm):
    """A verb that a week's calendar leads to, and back to it: there may be more to do."""

    back = forms.CharField(required=False, widget=forms.HiddenInput)

    def next_url(self) -> str:
        if "back" not in self.initial:
            return ""
        return f"{reverse('admin:scheduling_session_week')}?{self.initial['back']}"


class PlanSessionForm(SessionForm):
    title = "Plan a session"
    path = "plan"
    explanation = (
        "A single session beside the weekly blocks, with its patient booked in one step. A visit "
        "to the prescriber, a case manager or for a drug screen may lie inside another session of "
        "theirs: its minutes leave that one."
    )
    wants_row = False
    session_type = row_field(SessionType.objects.filter(active=True))
    therapist = row_field(Therapist.objects.filter(active=True), "Led by")
    day = date_field()
    starts = time_field()
    ends = time_field()
    room = row_field(Room.objects.filter(active=True), required=False)
    by_video = yes_field("By video")
    off_site = text_field("Off site", required=False, max_length=80, help_text=NEUTRAL)
    group = row_field(Group.objects.filter(active=True), "For the group", required=False)
    episode = found_field(Booking, "episode", "Patient", required=False)
    session: Session | None = None

    def plan(self) -> dict[str, Any]:
        """What is planned, as `create_session` takes it."""
        given, span = self.given, self.span()
        for name in ("day", "starts", "ends"):
            given.pop(name)
        patient = given.pop("episode", None)
        return {
            "clinic": self.clinic,
            "starts_at": span.starts_at,
            "ends_at": span.ends_at,
            "episodes": [patient] if patient else [],
            "by": self.user,
            **given,
        }

    def run(self) -> str:
        self.session = Seats.create_session(**self.plan())
        if self.session.ends_at <= timezone.now():
            return f"{self.session} is entered: it took place. Record who came."
        return f"{self.session} is planned."

    def next_url(self) -> str:
        return page_url(self.session) if self.session else ""


class AddToRosterForm(SessionForm):
    title = "Add to roster"
    path = "roster-add"
    can = Can.BOOK
    episode = found_field(Booking, "episode", "Patient")
    overflow_reason = text_field("Reason for a seat above capacity", required=False)

    def run(self) -> str:
        row = Seats.book(session=self.row, by=self.user, **self.given)
        return f"{row.patient} has seat {row.seat} of {self.row.capacity}."


class MoveForm(FromWeekForm):
    title = "Move the session"
    path = "move"
    explanation = "Staff and bookings move along. A session that has begun is a fact."
    day = date_field()
    starts = time_field()
    ends = time_field()
    room = row_field(
        Room.objects.filter(active=True), required=False, help_text="Empty: the same place."
    )
    off_site = text_field("Or off site", required=False, max_length=80, help_text=NEUTRAL)

    @classmethod
    def offered(cls, row: Session) -> bool:
        return row.live and row.starts_at > timezone.now()

    def narrow(self) -> None:
        starts, ends = (timezone.localtime(at) for at in (self.row.starts_at, self.row.ends_at))
        self.start_with(day=starts.date(), starts=starts.time(), ends=ends.time())

    def run(self) -> str:
        span = self.span()
        Seats.move_session(
            session=self.row,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            by=self.user,
            **self.to_place(),
        )
        return f"Moved to {timezone.localtime(span.starts_at):%a %b %-d, %-I:%M %p %Z}."

    def to_place(self) -> dict[str, Any]:
        """The other place, if one is given."""
        return {name: self.cleaned_data[name] for name in ("room", "off_site")}


class PlaceForm(SessionForm):
    title = "Change where it meets"
    path = "place"
    button = "Change"
    explanation = "In a room, by video or off site: say one of them. Everything else stays."
    room = row_field(Room.objects.filter(active=True), required=False)
    by_video = yes_field("By video")
    off_site = text_field("Off site", required=False, max_length=80, help_text=NEUTRAL)

    @classmethod
    def offered(cls, row: Session) -> bool:
        return row.live and row.signed_at is None

    def introduction(self) -> str:
        return f"Now: {self.row.place or 'no place yet'}. {self.explanation}"

    def run(self) -> str:
        given = self.cleaned_data
        check_one_place(**given)
        session, by = self.row, self.user
        if given["room"]:
            services.hold_in_room(session=session, room=given["room"], by=by)
        elif given["off_site"]:
            services.hold_off_site(session=session, off_site=given["off_site"], by=by)
        elif given["by_video"]:
            services.hold_by_video(session=session, by=by)
        else:
            raise Refused("no_place", "Choose a room, by video, or say where else.", field="room")
        return f"{session_when(session)}: {session.place}."


class CancelForm(SessionForm):
    title = "Cancel the session"
    path = "cancel"
    leave = "Keep the session"
    danger = True
    explanation = "A session cancelled by the clinic never counts against a patient."
    reason = text_field()

    def run(self) -> str:
        if not self.row.live:
            raise Refused("session_cancelled", CANCELLED_ALREADY)
        Seats.cancel_session(session=self.row, reason=self.cleaned_data["reason"], by=self.user)
        return format_html(
            "The session is cancelled. Patients who fall short now can be offered a make-up. {}",
            verb_link(self.row, ReviveForm.path, ReviveForm.title),
        )


class ReviveForm(SessionForm):
    title = "Let it take place after all"
    path = "revive"
    explanation = "With its bookings, and with members enrolled meanwhile."

    @classmethod
    def offered(cls, row: Any) -> bool:
        return not row.live and not getattr(row, "combined", False)

    def run(self) -> str:
        if self.row.live:
            raise Refused("session_live", "The session takes place already.")
        Seats.revive_session(session=self.row, by=self.user)
        return "The session takes place again."


class SubstituteForm(FromWeekForm):
    title = "Assign a substitute"
    path = "substitute"
    explanation = "Leads this session instead of its facilitator, with access for 7 days after it."
    therapist = row_field(Therapist.objects.filter(active=True))

    def narrow(self) -> None:
        self.found = candidates(self.row)
        field: Any = self.fields["therapist"]
        field.choices = candidate_choices(self.found)

    def before(self) -> Iterable[Panel]:
        return candidate_panels(self.found)

    def run(self) -> str:
        therapist = self.cleaned_data["therapist"]
        part = services.assign_substitute(session=self.row, therapist=therapist, by=self.user)
        said = f"{part.therapist} leads {session_when(self.row)}."
        if self.row.needs_attention:
            return f"{said} To look at: {self.row.needs_attention}."
        return said


class WhenFilter(admin.SimpleListFilter):
    """Near dates first: the list of all sessions is long."""

    title = "when"
    parameter_name = "when"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("today", "Today"), ("past", "Past 7 days"), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Today and the next 7 days"}
        yield from others

    def queryset(self, request: Any, rows: Any) -> Any:
        today = timezone.localdate()
        week = datetime.timedelta(days=7)
        if self.value() == "all":
            return rows
        spans = {"today": (today, today), "past": (today - week, today)}
        return rows.filter(local_date__range=spans.get(self.value() or "", (today, today + week)))


class AttentionFilter(admin.SimpleListFilter):
    title = "needs attention"
    parameter_name = "attention"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes")]

    def queryset(self, request: Any, rows: Any) -> Any:
        return rows.exclude(needs_attention="") if self.value() == "yes" else rows


@admin.register(Session)
class SessionAdmin(ClinicModelAdmin):
    """`week_page` is the calendar of a week; the floor that knows what is recorded sets it."""

    week_page: Callable[[ClinicModelAdmin, Any], Any]
    view = Can.VIEW_SCHEDULE
    reads_are_noted = True
    panels_first = True
    list_display = (
        "title",
        "starts_at",
        "length",
        "session_type",
        "where",
        "seats",
        "state",
        "needs_attention",
    )
    list_display_links = ("title",)
    list_filter = (WhenFilter, ("group", ClinicRelatedFilter), "state", AttentionFilter)
    related = ("group", "session_type", "room")
    ordering = ("local_date", "starts_at", "pk")
    search_fields = ("group__name", "session_type__name__istartswith", "local_date")
    search_help_text = "Group, session type or date (3/2/2026)"
    verbs = (AddToRosterForm, MoveForm, PlaceForm, SubstituteForm, CancelForm, ReviveForm)
    list_verbs = (PlanSessionForm, CalendarLinkForm)
    fields = (
        ("group", "session_type"),
        ("starts_at", "ends_at"),
        ("room", "by_video", "off_site"),
        ("capacity", "state"),
        "cancelled_reason",
        ("signed_at", "signed_by"),
    )

    def get_urls(self) -> list[Any]:
        week = path(
            "week/",
            self.admin_site.admin_view(partial(type(self).week_page, self)),
            name="scheduling_session_week",
        )
        return [week, *super().get_urls()]

    def changelist_view(self, request: Any, extra_context: Any = None) -> Any:
        response = super().changelist_view(request, extra_context)
        if buttons := getattr(response, "context_data", None):
            week = {"title": "Week", "path": reverse("admin:scheduling_session_week")}
            buttons["actions_list"] = [week, *buttons["actions_list"]]
        return response

    def get_queryset(self, request: Any) -> Any:
        came = Booking.objects.exclude(state=Booking.State.WITHDRAWN)
        decided = Decision.objects.filter(
            choice=Decision.Choice.COMBINED,
            closure__taken_back_at=None,
            time_off__taken_back_at=None,
        )
        return with_booked(super().get_queryset(request)).annotate(
            combined=Exists(came.filter(combined_from__session=OuterRef("pk"))),
            received=Exists(came.filter(session=OuterRef("pk"), combined_from__live=False)),
            decided=Exists(decided.filter(clinic=OuterRef("clinic"), session=OuterRef("pk"))),
        )

    def called(self, row: Session) -> str:
        """With its time: a group has several sessions on a day."""
        return session_when(row)

    def get_search_results(self, request: Any, queryset: Any, search_term: str) -> Any:
        """A date is found as pages print it."""
        term = iso_date_or_term(term_of(request, search_term))
        return super().get_search_results(request, queryset, term)

    @admin.display(description="Session", ordering="group__name")
    def title(self, row: Session) -> str:
        return row.title

    @admin.display(description="Minutes")
    def length(self, row: Session) -> int:
        return int((row.ends_at - row.starts_at).total_seconds()) // 60

    @admin.display(description="Room", ordering="room__name")
    def where(self, row: Session) -> str:
        return row.place or "none"

    @admin.display(description="Booked")
    def seats(self, row: Any) -> str:
        return f"{row.booked} of {row.capacity}"

    def panels(self, request: Any, row: Session) -> Iterable[Panel]:
        """Who leads it, and what the calendar of the week says of that."""
        now = timezone.now()
        cover = Cover.of(row.clinic, Span(row.starts_at, row.ends_at), [row])
        missing, look = cover.missing(row, now), cover.to_look_at(row, now)
        yield Panel(
            "Led by",
            ("Therapist", "Part"),
            [(part.therapist, part.get_role_display()) for part in cover.parts.get(row.pk, ())],
            empty="Nobody: assign a substitute.",
            note=f"Needs cover: {missing}." if missing else f"To look at: {look}." if look else "",
        )
