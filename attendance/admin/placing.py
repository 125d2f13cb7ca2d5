"""Finding a place for a patient: what fits, best first, and one button that enrols all of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join

from attendance.admin.placing_words import cards, reasons_panel
from attendance.compliance.placement import Placement, Proposal, proposals
from attendance.compliance.placement_facts import Wish
from attendance.compliance.rules.placement import Slot
from attendance.placing import Placed, place, preview_place
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.forms import (
    date_field,
    many_field,
    number_field,
    time_field,
    yes_field,
)
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.admin.views import ServiceView
from iop_clinic.accounts.models import Weekday
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import date_span, full_date, hours_and_minutes
from patients.models import TreatmentPlan
from scheduling.admin.episodes import InTreatmentForm
from scheduling.admin.group_seats import last_seat_left
from scheduling.admin.weekly_template import block_times
from scheduling.models import Booking, Group

GONE = "This place does not fit any more. The list is new: choose again."
NO_PLAN = "The patient has no treatment plan today: set the plan first, and the place follows it."
MIDNIGHT, LAST_MINUTE = datetime.time(), datetime.time(23, 59)
MOST_DAYS_AHEAD = 84
_DAY = datetime.timedelta(days=1)


class FindPlacePage(ServiceView):
    """What fits is found anew for each request; what was chosen is looked at before it is done."""

    template_name = "admin/patients/episode/find_place.html"

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        form: Any = self.get_form()
        return self._shown(form)

    def form_valid(self, form: Any) -> HttpResponse:
        if form.cleaned_data.get("choice"):
            return super().form_valid(form)
        return self._shown(form)

    def form_invalid(self, form: Any) -> HttpResponse:
        return self._shown(form)

    def _shown(self, form: Any) -> HttpResponse:
        note_read(self.row, by=form.user)
        return self.render_to_response(self.get_context_data(form=form, found=form.found))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        found = context.get("found")
        if found is not None:
            context |= {"cards": cards(found), "reasons": reasons_panel(found)}
        return context


class FindPlaceForm(InTreatmentForm):
    """Availability is asked for and not stored: it is the patient's week as told today."""

    title = "Find a place"
    path = "find-place"
    order = 36  # after the summary that is read out on the phone
    button = "Find places"
    can = Can.BOOK
    page = FindPlacePage
    looks_ahead = True
    starts_on = date_field("From")
    minutes = number_field("Minutes a week", min_value=1, max_value=2400)
    days = number_field("Days a week", min_value=0, max_value=7)
    work_days = many_field(
        Weekday.choices, "Cannot come on", coerce=int, help_text="Because of work, for example."
    )
    work_from = time_field("Cannot come from", required=False, help_text="Empty: all morning.")
    work_until = time_field(
        "Cannot come until", required=False, help_text="Empty: for the rest of the day."
    )
    school_days = many_field(
        Weekday.choices, "Nor on", coerce=int, help_text="School, or anything else."
    )
    school_from = time_field("Nor from", required=False)
    school_until = time_field("Nor until", required=False)
    population_opt_in = yes_field("The patient chose a group for one population")
    choice = forms.CharField(required=False, widget=forms.HiddenInput)

    @cached_property
    def plan(self) -> TreatmentPlan | None:
        return self.row.plans.in_force(self._today).first()

    @property
    def _today(self) -> datetime.date:
        return timezone.localdate(timezone=self.clinic.tz)

    def narrow(self) -> None:
        """Begin tomorrow, with what the plan asks for."""
        self.start_with(starts_on=self._today + _DAY)
        if self.plan is not None:
            self.start_with(minutes=self.plan.weekly_minutes_target, days=self.plan.days_per_week)

    def introduction(self) -> str:
        if self.plan is None:
            return NO_PLAN
        asked = hours_and_minutes(self.plan.weekly_minutes_target)
        return (
            f"{self.row.program}, {self.plan.get_level_display()}: {asked} on "
            f"{self.plan.days_per_week} days a week. When the patient can come is not stored."
        )

    def clean_starts_on(self) -> datetime.date:
        day: datetime.date = self.cleaned_data["starts_on"]
        latest = self._today + datetime.timedelta(days=MOST_DAYS_AHEAD)
        if not self._today <= day <= latest:
            said = f"Choose a day from today until {full_date(latest)}."
            raise ValidationError(said, code="outside")
        return day

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("work", "school"):
            starts, ends = given.get(f"{name}_from"), given.get(f"{name}_until")
            if starts and ends and ends <= starts:
                self.add_error(f"{name}_until", "This ends before it begins.")
            if (starts or ends) and not given.get(f"{name}_days"):
                self.add_error(f"{name}_days", "On which days?")
        return given

    # --- what is looked for -----------------------------------------------------------------------

    @cached_property
    def found(self) -> Placement | None:
        """What fits; None where it is not known yet what is looked for."""
        given = self._asked
        if given is None:
            return None
        groups = Group.objects.visible_to(self.user).filter(clinic=self.clinic, active=True)
        rows = list(groups.select_related("clinic").order_by("name", "pk"))
        wish = self._wish(given)
        return proposals(episode=self.row, wish=wish, groups=rows, now=timezone.now())

    @property
    def _asked(self) -> dict[str, Any] | None:
        """What was sent, if it is in order; before anything is, what the plan asks for."""
        if self.is_bound:
            return None if self.errors.keys() - {NON_FIELD_ERRORS} else self.cleaned_data
        if self.plan is None:
            return None
        return {
            "starts_on": self._today + _DAY,
            "minutes": self.plan.weekly_minutes_target,
            "days": self.plan.days_per_week,
        }

    def _wish(self, given: dict[str, Any]) -> Wish:
        return Wish(
            starts_on=given["starts_on"],
            minutes=given["minutes"],
            days=given["days"],
            away=tuple(slot for name in ("work", "school") for slot in _away(given, name)),
            population_opt_in=bool(given.get("population_opt_in")),
            hours=self.user.may(Can.MANAGE_SCHEDULE, self.clinic),
        )

    def _chosen(self) -> Proposal:
        chosen = self.found.find(self.cleaned_data["choice"]) if self.found else None
        if chosen is None:
            raise Refused("place_gone", GONE)
        return chosen

    @property
    def _what(self) -> dict[str, Any]:
        opt_in = bool(self.cleaned_data.get("population_opt_in"))
        return {"proposal": self._chosen(), "population_opt_in": opt_in, "by": self.user}

    def ahead(self) -> Sequence[Panel]:
        return list(_panels(preview_place(episode=self.row, **self._what)))

    def run(self) -> str:
        self.__dict__.pop("found", None)  # run again after a deadlock, it may be another one
        done = place(episode=self.row, **self._what)
        left = (last_seat_left(one.group, self.user) for one in done.seats)
        said = [f"{self.row.patient} has a place:", *_said(done), *filter(None, left)]
        return format_html_join(" ", "{}", ((one,) for one in said))

    def refuse(self, refused: Refused) -> None:
        """The list again, as it stands now."""
        super().refuse(refused)
        self.__dict__.pop("found", None)


def _away(given: dict[str, Any], name: str) -> Iterator[Slot]:
    starts = given.get(f"{name}_from") or MIDNIGHT
    ends = given.get(f"{name}_until") or LAST_MINUTE
    for weekday in given.get(f"{name}_days") or ():
        yield Slot(int(weekday), starts, ends)


# --- what would be booked -------------------------------------------------------------------------


def _panels(done: Placed) -> Iterator[Panel]:
    if done.seats:
        yield Panel(
            "Seats in groups",
            ("Group", "Seat", "First day"),
            [(str(one.group), one.seat, full_date(one.starts_on)) for one in done.seats],
        )
    if done.blocks:
        yield Panel(
            "Standing individual hours",
            ("Every week", "With", "Room", "From"),
            [
                (f"{one.get_weekday_display()}, {block_times(one)}", one.facilitator.name,
                 str(one.room), full_date(one.valid_from))
                for one in done.blocks
            ],
        )  # fmt: skip
    yield Panel(
        "Bookings",
        ("Sessions", "How many", "Between"),
        list(_booked(done.bookings)),
        empty="None yet: the sessions of these days are not planned.",
    )


def _booked(rows: Sequence[Booking]) -> Iterator[tuple[object, ...]]:
    """One line for each group or type of session."""

    def title(row: Booking) -> str:
        return str(row.session.group or row.session.session_type)

    for name, found in groupby(sorted(rows, key=title), key=title):
        days = [row.session.local_date for row in found]
        yield name, len(days), date_span(min(days), max(days))


def _said(done: Placed) -> Iterator[str]:
    for seat in done.seats:
        yield f"seat {seat.seat} in {seat.group} from {full_date(seat.starts_on)}."
    number = len(done.blocks)
    if number:
        yield f"{number} standing hour{'' if number == 1 else 's'} planned."
    booked = len(done.bookings)
    yield f"{booked} booking{'' if booked == 1 else 's'} made."
