"""Groups, their weekly blocks, their members and who waits for a seat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from unfold import widgets

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.filters import ClinicRelatedFilter
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    date_field,
    found_field,
    row_field,
    text_field,
    yes_field,
)
from iop_clinic.accounts.admin.panels import Panel, link, page_url
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date
from scheduling import services
from scheduling.admin.capacity import CapacityForm
from scheduling.admin.enrolling import EnrollingForm
from scheduling.admin.group_seats import (
    free_said,
    led_by_said,
    meets_said,
    members_said,
    seats_panel,
    tell_groups,
)
from scheduling.admin.seats import Seats
from scheduling.admin.second_group import OpenSecondForm
from scheduling.admin.session_lines import next_sessions
from scheduling.admin.waitlist_lines import waitlist_panel
from scheduling.admin.weekly_template import block_times
from scheduling.models import Group, GroupMembership, WaitlistOffer, WeeklyBlock


class EnrolHereForm(EnrollingForm):
    title = "Enrol a patient"
    path = "enrol"
    can = Can.BOOK
    episode = found_field(GroupMembership, "episode", "Patient")
    starts_on = date_field("First day")
    ends_on = date_field("Last day", required=False, help_text="Empty: open.")
    population_opt_in = yes_field("The patient chose a group for one population")
    overflow_reason = text_field("Reason for a seat above capacity", required=False)

    @classmethod
    def offered(cls, row: Group) -> bool:
        return row.active

    def introduction(self) -> str:
        """Who waits comes first, and may have been told of the last seat; one statement."""
        offers = WaitlistOffer.objects.visible_to(self.user).filter(
            clinic=self.clinic, entry__group=self.row, answer=WaitlistOffer.Answer.OPEN
        )
        number = offers.count()
        if not number:
            return ""
        said = "1 seat is" if number == 1 else f"{number} seats are"
        return (
            f"{said} offered from the waitlist. Whoever is enrolled first has the seat: an offer "
            "for which none is left is withdrawn."
        )

    def run(self) -> str:
        seat = Seats.enrol(group=self.row, by=self.user, **self.given)
        return self.done(
            f"{seat.episode.patient} has seat {seat.seat} of {self.row.capacity} from "
            f"{full_date(seat.starts_on)}.",
            seat,
        )


class ExpandForm(ServiceForm):
    title = "Plan the next 4 weeks"
    path = "expand"
    explanation = "Adds the sessions that are missing; nothing that exists is changed. The nightly "
    explanation += "run does the same."
    can = Can.MANAGE_SCHEDULE
    wants_row = False

    def run(self) -> str:
        today = timezone.localdate(timezone=self.clinic.tz)
        done = services.expand(clinic=self.clinic, today=today, by=self.user)
        if not done.findings:
            return f"{done.created} sessions are planned."
        return f"{done.created} sessions are planned. To look at: {' '.join(done.findings[:5])}"


@admin.register(Group)
class GroupAdmin(ClinicModelAdmin):
    view = Can.VIEW_SCHEDULE
    add = change = Can.MANAGE_SCHEDULE
    panels_first = True
    reads_are_noted = True
    list_display = (
        "name", "kind", "meets", "led_by", "members", "free_seats", "waiting", "active",
    )  # fmt: skip
    list_filter = (("program", ClinicRelatedFilter), "level", "age_bracket", "active")
    related = ("program",)
    ordering = ("name", "pk")
    search_fields = ("name",)
    verbs = (EnrolHereForm, CapacityForm, OpenSecondForm)
    list_verbs = (ExpandForm,)
    tellers = (tell_groups,)
    fields = (
        "name",
        "program",
        ("level", "age_bracket"),
        "population",
        ("capacity", "min_size"),
        "active",
    )
    fixed_fields = ("capacity", "program", "level", "age_bracket")
    next_step = "Next: add the group's weekly blocks, then enrol patients."

    def get_queryset(self, request: Any) -> Any:
        """Each with whether anybody ever had a seat: before that it is still being filled."""
        had = GroupMembership.objects.filter(
            clinic=working_clinic(request),
            group=OuterRef("pk"),
            starts_on__lte=timezone.localdate(),
        )
        return super().get_queryset(request).annotate(begun=Exists(had))

    @admin.display(description="Program and level", ordering="program__name")
    def kind(self, row: Group) -> str:
        whom = [row.get_level_display(), row.get_age_bracket_display()]
        if row.population:
            whom.append(row.get_population_display())
        return f"{row.program}, {', '.join(whom)}"

    @admin.display(description="Meets")
    def meets(self, row: Any) -> str:
        return meets_said(row)

    @admin.display(description="Led by")
    def led_by(self, row: Any) -> str:
        return led_by_said(row)

    @admin.display(description="Members today")
    def members(self, row: Any) -> str:
        return members_said(row)

    @admin.display(description="Free seats")
    def free_seats(self, row: Any) -> str:
        return free_said(row)

    @admin.display(description="Waiting")
    def waiting(self, row: Any) -> int:
        return int(row.waiting_now)

    def panels(self, request: Any, row: Group) -> Iterable[Panel]:
        yield seats_panel(request, row)
        yield waitlist_panel(request, row)
        yield next_sessions(request, row.clinic_id, without="Of", group=row)
        blocks = row.blocks.visible_to(request.user).select_related(
            "facilitator", "room", "session_type"
        )
        yield Panel(
            "Weekly blocks",
            ("When", "Session type", "Led by", "Room", "From", "Until"),
            [
                (link(one, f"{one.get_weekday_display()}, {block_times(one)}"), one.session_type,
                 one.facilitator, one.place or "none", full_date(one.valid_from),
                 full_date(one.valid_until) if one.valid_until else "open")
                for one in blocks
            ],
            folded=True,
        )  # fmt: skip


class BreaksField(forms.CharField):
    """Breaks as minutes from the start, "60-70, 130-140"; stored as [[60, 70], [130, 140]]."""

    widget = widgets.UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return ", ".join(f"{first}-{last}" for first, last in value)
        return value

    def to_python(self, value: Any) -> Any:
        try:
            return [
                [int(minute) for minute in part.split("-", 1)]
                for part in str(value or "").split(",")
                if part.strip()
            ]
        except ValueError:
            raise forms.ValidationError('Enter minutes such as "60-70, 130-140".') from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.prepare_value(initial or []) != (data or "")


class RunsFilter(admin.SimpleListFilter):
    """What meets or is to meet, unless others are asked for."""

    title = "state"
    parameter_name = "runs"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("ended", "Ended"), ("all", "All")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Running or to come"}
        yield from others

    def queryset(self, request: Any, rows: Any) -> Any:
        ended = Q(valid_until__lt=timezone.localdate())
        match self.value():
            case "ended":
                return rows.filter(ended)
            case "all":
                return rows
            case _:
                return rows.exclude(ended)


@admin.register(WeeklyBlock)
class WeeklyBlockAdmin(ClinicModelAdmin):
    """Entered, changed and ended by the verbs of the floor that knows what a week adds up to."""

    view = Can.VIEW_SCHEDULE
    panels_first = True
    reads_are_noted = True
    list_display = (
        "of",
        "weekday",
        "starts_at",
        "ends_at",
        "session_type",
        "facilitator",
        "where",
        "valid_until",
    )
    list_filter = (
        RunsFilter,
        ("group", ClinicRelatedFilter),
        ("facilitator", ClinicRelatedFilter),
        "weekday",
    )
    related = ("group", "episode__patient", "session_type", "facilitator", "room")
    ordering = ("weekday", "starts_at", "pk")
    fields = (
        "group",
        "episode",
        "session_type",
        "weekday",
        ("starts_at", "ends_at"),
        "pauses",
        ("facilitator", "co_facilitator"),
        ("room", "by_video", "off_site"),
        "every_weeks",
        ("valid_from", "valid_until"),
    )

    readonly_fields = ("pauses",)

    def called(self, row: WeeklyBlock) -> str:
        return f"{self.of(row)}, {row}"

    def panels(self, request: Any, row: WeeklyBlock) -> Iterable[Panel]:
        yield next_sessions(request, row.clinic_id, without="Of", block=row)

    @admin.display(description="Of", ordering="group__name")
    def of(self, row: WeeklyBlock) -> str:
        """The group, or the patient of a standing individual hour."""
        return str(row.group or row.episode)

    @admin.display(description="Room", ordering="room__name")
    def where(self, row: WeeklyBlock) -> str:
        return row.place or "none"

    @admin.display(description="Breaks")
    def pauses(self, row: WeeklyBlock) -> str:
        """ "60-70, 130-140", minutes from the start."""
        return str(BreaksField().prepare_value(row.breaks))


class TransferForm(EnrollingForm):
    title = "Transfer to another group"
    path = "transfer"
    can = Can.BOOK
    order = 10
    to_group = row_field(Group.objects.filter(active=True), "To the group")
    on = date_field("First day there", help_text="The old seat ends on the day before.")
    population_opt_in = yes_field("The patient chose a group for one population")
    overflow_reason = text_field("Reason for a seat above capacity", required=False)
    new: GroupMembership | None = None

    def narrow(self) -> None:
        field: Any = self.fields["to_group"]
        field.queryset = field.queryset.exclude(pk=self.row.group_id)

    def run(self) -> str:
        self.new = Seats.transfer(membership=self.row, by=self.user, **self.given)
        return self.done(
            f"{self.row.episode.patient} has seat {self.new.seat} in {self.new.group} from "
            f"{full_date(self.new.starts_on)}.",
            self.new,
        )

    def next_url(self) -> str:
        return page_url(self.new) if self.new else ""


class EndForm(ServiceForm):
    title = "End the membership"
    path = "end"
    can = Can.BOOK
    explanation = "Bookings after the last day are withdrawn; what is past stays."
    ends_on = date_field("Last day in the group")
    reason = text_field()

    def run(self) -> str:
        Seats.end_membership(membership=self.row, by=self.user, **self.given)
        last = full_date(self.cleaned_data["ends_on"])
        return f"The seat is free from the day after {last} on."


class CancelMembershipForm(ServiceForm):
    title = "Take the membership back"
    path = "take-back"
    can = Can.BOOK
    danger = True
    explanation = "For a seat that has not begun: as if it had not been given."
    reason = text_field()

    @classmethod
    def offered(cls, row: GroupMembership) -> bool:
        return row.starts_on > timezone.localdate()

    def run(self) -> str:
        group = self.row.group
        Seats.cancel_membership(membership=self.row, by=self.user, **self.given)
        self.group = group
        return f"The seat in {group} is taken back and its bookings are withdrawn."

    def next_url(self) -> str:
        return page_url(self.group)


@admin.register(GroupMembership)
class GroupMembershipAdmin(ClinicModelAdmin):
    """Seats. They are given, moved and ended by the verbs, never edited."""

    view = Can.VIEW_SCHEDULE
    list_display = ("episode", "group", "seat", "starts_on", "ends_on", "overflow_reason")
    list_filter = (("group", ClinicRelatedFilter), "ends_on")
    related = ("episode__patient", "group")
    ordering = ("group__name", "seat", "starts_on", "pk")
    search_fields = ("episode__patient__last_name__istartswith",)
    fields = (
        "group",
        "episode",
        "seat",
        ("starts_on", "ends_on"),
        "population_opt_in",
        "overflow_reason",
    )
    verbs = (TransferForm, EndForm, CancelMembershipForm)

    def called(self, row: GroupMembership) -> str:
        """Whose seat, first of all: who ends it must not mistake one for another."""
        return f"{row.episode.patient}: {row.group}, seat {row.seat}"
