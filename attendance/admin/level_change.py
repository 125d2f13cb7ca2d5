"""The form that puts a patient on another level of care, with what would change shown first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils import timezone

from attendance.admin.patient.head import plan_in_words
from attendance.levels import LevelChange, change_level
from attendance.levels_ahead import (
    UNRECORDED,
    Bookings,
    JudgedBy,
    LevelPreview,
    covering,
    preview_level,
)
from iop_clinic.accounts.admin.forms import (
    choice_field,
    date_field,
    level_field,
    number_field,
    row_field,
    text_field,
    yes_field,
)
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.weeks import full_date, hours_and_minutes, long_date
from patients.admin.verbs import IN_TREATMENT, EpisodeForm
from patients.models import AgeBracket, Authorization, Episode, Level, Payer, TreatmentPlan
from patients.rules import OF_AGE, WEEKLY_MINUTES, age_on
from scheduling.admin.enrolling import EnrollingForm
from scheduling.models import Group, WaitlistEntry

PLAN = ("level", "age_bracket", "weekly_minutes_target", "days_per_week", "review_due_on")
SEAT = ("population_opt_in", "overflow_reason", "guests")
APPROVAL = ("payer", "number", "unit", "units", "ends_on", "next_review_on")
ASKED_OF_A_NEW_ONE = ("payer", "number", "unit", "units", "ends_on")


def _ranges(bracket: AgeBracket) -> str:
    """ "Adult: 0–539 (OP 1), 540–1200 (IOP 2.1), 1200–2400 (PHP 2.5)."."""
    each = ((WEEKLY_MINUTES[level, bracket], level.label) for level in Level)
    said = ", ".join(f"{minutes.least}–{minutes.most} ({label})" for minutes, label in each)
    return f"{bracket.label.capitalize()}: {said}."


RECORD_FIRST = (
    "Of what is not recorded yet nothing will count: if the patient came, have it recorded first."
)
WAITS_NO_MORE: dict[str, str] = {
    WaitlistEntry.State.WAITING: "the patient waits no longer",
    WaitlistEntry.State.OFFERED: "the patient waits no longer, and the offer is withdrawn",
}
RANGES = " ".join(map(_ranges, AgeBracket))


class LevelForm(EnrollingForm, EpisodeForm):
    """Whoever manages episodes may book and authorize as well; the role table says so."""

    title = "Change the level of care"
    path = "level"
    order = 80
    looks_ahead = True
    explanation = (
        "Plan, group and authorization from one day on, in one step. Which standard judges follows "
        "from level and age bracket. First you see what would change."
    )
    starts_on = date_field("First day on the new level")
    level = level_field(Level.choices, "Level of care")
    age_bracket = level_field(AgeBracket.choices, initial=AgeBracket.ADULT)
    weekly_minutes_target = number_field("Minutes a week", help_text=RANGES)
    days_per_week = number_field(initial=3)
    review_due_on = date_field("Plan to be reviewed by", required=False)
    group = row_field(
        Group.objects.filter(active=True),
        "Group from that day on",
        required=False,
        help_text="Empty: seats in groups of the new level stay. Others end on the eve anyway.",
    )
    population_opt_in = yes_field("The patient chose a group for one population")
    overflow_reason = text_field("Reason for a seat above capacity", required=False)
    authorization = row_field(
        Authorization.objects.select_related("payer"),
        "Authorization entered before",
        required=False,
        help_text="Or enter a new one below; with neither, the level changes without one.",
    )
    payer = row_field(Payer.objects.all(), "New authorization: payer", required=False)
    number = text_field("Its number", required=False, max_length=60)
    unit = choice_field(Authorization.Unit.choices, "Counted in", required=False)
    units = number_field("How many", required=False, min_value=1, max_value=1000)
    ends_on = date_field("Its last day", required=False)
    next_review_on = date_field("Its next review", required=False)

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state in IN_TREATMENT

    def narrow(self) -> None:
        field: Any = self.fields["authorization"]
        field.queryset = field.queryset.filter(episode=self.row)
        field.label_from_instance = authorization_said
        today = timezone.localdate(timezone=self.clinic.tz)
        if age_on(self.row.patient.birth_date, today) < OF_AGE:
            self.start_with(age_bracket=AgeBracket.ADOLESCENT)

    def introduction(self) -> str:
        today = timezone.localdate(timezone=self.clinic.tz)
        plan = self.row.plans.in_force(today).first()
        return f"Now {plan_in_words(plan)}. {self.explanation}" if plan else self.explanation

    def clean(self) -> dict[str, Any]:
        """A new authorization is whole or not there, and not beside one entered before."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        begun = [name for name in APPROVAL if given.get(name)]
        if begun and given.get("authorization"):
            self.add_error("authorization", "Choose one entered before, or enter a new one.")
        for name in ASKED_OF_A_NEW_ONE if begun else ():
            if name not in self.errors and not given.get(name):
                self.add_error(name, "A new authorization needs this.")
        return given

    @property
    def _change(self) -> dict[str, Any]:
        given = self.given
        approval = {name: given[name] for name in APPROVAL if name in given}
        return {
            "episode": self.row,
            "starts_on": given["starts_on"],
            "plan": {name: given[name] for name in PLAN if name in given},
            "group": given.get("group"),
            "seat": {name: given[name] for name in SEAT if name in given},
            "authorization": given.get("authorization"),
            "approval": approval or None,
            "by": self.user,
        }

    def ahead(self) -> Sequence[Panel]:
        return list(_panels(preview_level(**self._change)))

    def run(self) -> str:
        done = change_level(**self._change)
        day = long_date(done.plan.starts_on)
        said = f"{self.row.patient} is on {done.plan.get_level_display()} from {day}."
        return self.done(" ".join([said, *_next(done)]), done.membership)


def authorization_said(row: Authorization) -> str:
    """ "Aetna 77: 20 days of IOP 2.1 until Mar 31, 2026"."""
    covers = f"{row.units} {row.get_unit_display()} of {row.get_level_display()}"
    return f"{row}: {covers} until {full_date(row.ends_on)}"


def _next(done: LevelChange) -> Iterator[str]:
    if done.membership is not None:
        yield f"Seat {done.membership.seat} in {done.membership.group} is booked."
    elif done.ended:
        yield "Next: enrol the patient in a group, or book single sessions."
    if done.authorization is None and not covering(done.plan.episode, done.plan):
        yield "No authorization was named: look at who pays."


# --- what would change ----------------------------------------------------------------------------


def _panels(told: LevelPreview) -> Iterator[Panel]:
    yield plans_panel(told.plan_before, told.change.plan)
    yield Panel(
        "Seats in groups",
        ("Group", "What", "When"),
        list(_seats(told.change)),
        empty="Nothing changes: every seat serves the new level, or there is none.",
    )
    if told.change.left:
        lines = [(one.group, WAITS_NO_MORE[one.state]) for one in told.change.left]
        yield Panel("Waitlists", ("Group", "What"), lines)
    yield bookings_panel(told.bookings)
    yield standards_panel(told.standards)
    yield Panel(
        "Authorization on the first day",
        ("Authorization",),
        [(authorization_said(one),) for one in told.covers],
        empty="None covers this level on that day.",
    )


def plans_panel(now: TreatmentPlan | None, then: TreatmentPlan) -> Panel:
    return Panel("Plan", ("When", "Level", "Minutes", "Days", "From"), list(_plans(now, then)))


def bookings_panel(bookings: Sequence[Bookings]) -> Panel:
    return Panel(
        "Bookings",
        ("Session", "What", "How many", "Between"),
        [_booked(one) for one in bookings],
        empty="No booking changes.",
        note=RECORD_FIRST if any(one.what == UNRECORDED for one in bookings) else "",
    )


def standards_panel(standards: Sequence[JudgedBy]) -> Panel:
    judged = any(one.since is not None for one in standards)
    return Panel(
        "Standards that judge",
        ("Standard", "Asks for", "When"),
        [_standard(one) for one in standards],
        empty="",
        note="" if judged else "No standard is for this level and age bracket: nothing judges it.",
    )


def _plans(now: TreatmentPlan | None, then: TreatmentPlan) -> Iterator[tuple[object, ...]]:
    for name, plan in (("Now", now), ("Then", then)):
        if plan is not None:
            level = f"{plan.get_level_display()}, {plan.get_age_bracket_display()}"
            minutes = hours_and_minutes(plan.weekly_minutes_target)
            yield name, level, minutes, plan.days_per_week, full_date(plan.starts_on)


def _seats(change: LevelChange) -> Iterator[tuple[object, ...]]:
    for one in change.ended:
        if one.pk is None or one.ends_on is None:
            yield one.group, "taken back", f"would begin on {full_date(one.starts_on)}"
        else:
            yield one.group, "ends", full_date(one.ends_on)
    if change.membership is not None:
        new = change.membership
        yield new.group, f"seat {new.seat} begins", full_date(new.starts_on)


def _booked(one: Bookings) -> tuple[object, ...]:
    between = f"{long_date(one.first)} – {long_date(one.last)}"
    return one.title, one.what, one.count, between


def _standard(one: JudgedBy) -> tuple[object, ...]:
    terms = one.standard.terms
    asks = hours_and_minutes(terms.minimum)
    if terms.maximum is not None:
        asks += f" to {hours_and_minutes(terms.maximum)}"
    if terms.days:
        asks += f", {terms.days} days from {hours_and_minutes(terms.day_threshold)}"
    if one.since is None:
        return one.standard.name, asks, "judges no more"
    return one.standard.name, asks, "stays" if one.before else f"from {full_date(one.since)}"
