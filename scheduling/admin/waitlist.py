"""The waitlist: who waits for which group, in order, and what is done at each opening (R13)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.utils import timezone

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.filters import ClinicRelatedFilter
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    date_field,
    moment_field,
    text_field,
    yes_field,
)
from iop_clinic.accounts.admin.panels import Panel, link, page_url
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, long_moment
from patients.models import Episode
from scheduling import services
from scheduling.admin.enrolling import EnrollingForm
from scheduling.admin.seats import Seats
from scheduling.admin.waitlist_lines import (
    entry_panels,
    free_said,
    is_offered,
    next_step,
    offer_said,
    so_far,
    tell_waiting,
    with_steps,
)
from scheduling.models import WAITING, GroupMembership, WaitlistEntry, WaitlistStep
from scheduling.services.offers import first_free_day
from scheduling.services.waitlist import TOLD, waiting_longer
from scheduling.waiting import unanswered

METHODS = WaitlistStep.Method.choices
RESULTS = [
    (one.value, one.label)
    for one in WaitlistStep.Result
    if one != WaitlistStep.Result.PASSED_OVER
]  # fmt: skip
WAITS_ON, LEAVES = "waits", "leaves"


class WaitForm(ServiceForm):
    """A verb for somebody who waits."""

    can = Can.BOOK
    row: Any

    @classmethod
    def offered(cls, row: Any) -> bool:
        return bool(row.waits)


class OfferForm(WaitForm):
    title = "Offer a seat"
    path = "offer"
    order = 10
    starts_on = date_field("First day in the group")
    expires_at = moment_field("The offer stands until")
    method = choice_field(METHODS, "How the patient was told")
    result = choice_field([(one.value, one.label) for one in TOLD], "What came of it")
    note = text_field(required=False)
    skip_reason = text_field("Why not in order", required=False)

    @classmethod
    def offered(cls, row: Any) -> bool:
        return bool(row.state == WaitlistEntry.State.WAITING)

    def narrow(self) -> None:
        self.longer = list(
            with_steps(waiting_longer(self.row).visible_to(self.user)).select_related(
                "episode__patient"
            )
        )
        if not self.longer:
            del self.fields["skip_reason"]
        now = timezone.now().replace(minute=0, second=0, microsecond=0)
        self.free_from = first_free_day(self.row.group)
        two_days = now + datetime.timedelta(days=2)
        self.start_with(starts_on=self.free_from or timezone.localdate(), expires_at=two_days)

    def introduction(self) -> str:
        group = self.row.group
        if self.free_from is None:
            return f"No seat of {group} is free that is not offered already."
        said = f"A seat of {group} is free from {full_date(self.free_from)} on."
        return f"{said} The offer keeps nobody else out: whoever is enrolled first has the seat."

    def before(self) -> Iterable[Panel]:
        note_read(self.row, by=self.user)
        if self.longer:
            yield Panel(
                "Waiting longer",
                ("Patient", "Since", "So far", "Note"),
                [tuple(_longer(one)) for one in self.longer],
                note="They are passed over, and the reason is noted with each of them.",
            )

    def run(self) -> str:
        offer = Seats.offer_seat(entry=self.row, by=self.user, **self.given)
        until = long_moment(timezone.localtime(offer.expires_at))
        return (
            f"A seat of {self.row.group} from {full_date(offer.starts_on)} on is offered to "
            f"{self.row.episode.patient} until {until}. Next: note the answer."
        )


def _longer(one: Any) -> Iterator[object]:
    yield link(one, one.episode.patient)
    yield full_date(timezone.localdate(one.added_at))
    yield so_far(one)
    yield one.note


class AttemptForm(WaitForm):
    title = "Log an attempt"
    path = "attempt"
    order = 20
    explanation = "The patient keeps the place on the waitlist."
    method = choice_field(METHODS)
    result = choice_field(RESULTS)
    note = text_field(required=False)

    def before(self) -> Iterable[Panel]:
        note_read(self.row, by=self.user)
        return ()

    def run(self) -> str:
        step = Seats.log_attempt(entry=self.row, by=self.user, **self.given)
        return f"Logged: {step}. Next: try again, or offer the seat to the next."


class AnswerForm(WaitForm):
    """What the patient said to an open offer."""

    @classmethod
    def offered(cls, row: Any) -> bool:
        return is_offered(row)

    def introduction(self) -> str:
        if not is_offered(self.row):
            return "No seat is offered to this patient."
        return f"Offered: a seat of {self.row.group}. {offer_said(self.row)}."


class AcceptForm(EnrollingForm, AnswerForm):
    title = "Accept"
    path = "accept"
    order = 11
    button = "Enrol the patient"
    starts_on = date_field("First day in the group")
    population_opt_in = yes_field("The patient chose a group for one population")
    seat: GroupMembership | None = None

    def introduction(self) -> str:
        said = super().introduction()
        if self.row.episode.state == Episode.State.REFERRED:
            return f"{said} The patient is referred: admit first, then enrol."
        return said

    def narrow(self) -> None:
        if not self.row.group.population:
            del self.fields["population_opt_in"]
        if is_offered(self.row):
            first = datetime.date.fromisoformat(self.row.last_offer["first"])
            self.start_with(starts_on=max(first, timezone.localdate()))

    def run(self) -> str:
        self.seat = Seats.accept_offer(entry=self.row, by=self.user, **self.given)
        return self.done(
            f"{self.row.episode.patient} has seat {self.seat.seat} in {self.row.group} from "
            f"{full_date(self.seat.starts_on)}.",
            self.seat,
        )

    def next_url(self) -> str:
        return page_url(self.seat) if self.seat else ""


class DeclineForm(AnswerForm):
    title = "Decline"
    path = "decline"
    order = 12
    then = choice_field(
        ((WAITS_ON, "Keeps the place on the waitlist"), (LEAVES, "Leaves the waitlist")),
        "The patient",
    )
    reason = text_field(required=False)

    def run(self) -> str:
        given = self.given
        stays = given.pop("then") == WAITS_ON
        services.decline_offer(entry=self.row, keeps_place=stays, by=self.user, **given)
        then = "keeps the place" if stays else "waits no longer"
        return f"{self.row.episode.patient} {then}. Next: offer the seat to the next."


class RemoveForm(WaitForm):
    title = "Take off the waitlist"
    path = "remove"
    danger = True
    explanation = "The patient waits for this group no longer; an open offer is withdrawn."
    reason = text_field()

    def run(self) -> str:
        services.leave_waitlist(entry=self.row, by=self.user, **self.given)
        return f"{self.row.episode.patient} waits for {self.row.group} no longer."


class ShowFilter(admin.SimpleListFilter):
    """Who waits, unless others are asked for."""

    title = "state"
    parameter_name = "show"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("expired", "Offer ended, call again"), ("left", "Waits no longer"),
                ("all", "All")]  # fmt: skip

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Waits"}
        yield from others

    def queryset(self, request: Any, rows: Any) -> Any:
        match self.value():
            case "expired":
                return unanswered(rows)
            case "left":
                return rows.exclude(state__in=WAITING)
            case "all":
                return rows
        return rows.filter(state__in=WAITING)


@admin.register(WaitlistEntry)
class WaitlistEntryAdmin(ClinicModelAdmin):
    """In the order of each group. The state follows from what is done, and is not edited."""

    view = Can.VIEW_SCHEDULE
    add = change = Can.BOOK
    reads_are_noted = True
    panels_first = True
    list_display = ("episode", "group", "place", "free_seats", "state", "since", "tried", "note")
    list_filter = (ShowFilter, ("group", ClinicRelatedFilter))
    related = ("episode__patient", "group")
    ordering = ("group__name", "added_at", "pk")
    search_fields = ("episode__patient__last_name__istartswith",)
    autocomplete_fields = ("episode",)
    verbs = (OfferForm, AcceptForm, DeclineForm, AttemptForm, RemoveForm)
    tellers = (tell_waiting,)
    fields = (("group", "episode"), ("state", "added_at"), "note", "left_reason")
    fixed_fields = ("group", "episode", "state", "added_at", "left_reason")
    next_step = "Next: when a seat is free, offer it to whoever waits longest."

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        if obj is None:
            return ("group", "episode", "note")
        return self.fields if obj.left_reason else self.fields[:-1]

    def get_queryset(self, request: Any) -> Any:
        return with_steps(super().get_queryset(request))

    def get_list_display(self, request: Any) -> Any:
        """With the next step, for those who may take it."""
        return (*self.list_display, "next") if self.may(request, Can.BOOK) else self.list_display

    def called(self, row: WaitlistEntry) -> str:
        return f"{row.episode.patient} waits for {row.group}"

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: Any, by: User) -> WaitlistEntry:
        return services.put_on_waitlist(by=by, **facts)

    def panels(self, request: Any, row: WaitlistEntry) -> Iterable[Panel]:
        return entry_panels(request, row)

    @admin.display(description="Place in order")
    def place(self, row: Any) -> Any:
        return row.place

    @admin.display(description="Free seats")
    def free_seats(self, row: Any) -> str:
        return free_said(row)

    @admin.display(description="Since", ordering="added_at")
    def since(self, row: WaitlistEntry) -> str:
        return full_date(timezone.localdate(row.added_at))

    @admin.display(description="So far")
    def tried(self, row: Any) -> str:
        return so_far(row)

    @admin.display(description="Next")
    def next(self, row: Any) -> str:
        return next_step(row)
