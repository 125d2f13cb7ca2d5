"""Who could fill a group: asked on its page, and enrolled from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.db.models import Q
from django.utils import timezone
from unfold import widgets

from attendance.compliance.filling import Candidate, Filling, who_could_fill
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.forms import yes_field
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, hours_and_minutes, long_date
from patients.admin.verbs import IN_TREATMENT
from patients.models import Episode
from scheduling.admin.enrolling import EnrollingForm
from scheduling.admin.seats import Seats
from scheduling.models import WAITING, Group, WaitlistEntry

GONE = "This patient cannot be enrolled as it stood. The list is new: choose again."


class FillForm(EnrollingForm):
    """The list is found anew for each request, so that nobody is on it who cannot be enrolled."""

    title = "Who could fill this group?"
    path = "fill"
    order = 51
    button = "Enrol this patient"
    can = Can.BOOK
    row: Group
    choice = forms.ChoiceField(
        label="Patients who wait or are short, in the order in which to ask them",
        widget=widgets.UnfoldAdminRadioSelectWidget(radio_style=widgets.VERTICAL),
        error_messages={"invalid_choice": GONE, "required": "Choose one of the list."},
    )
    population_opt_in = yes_field("The patient chose a group for one population")

    @classmethod
    def offered(cls, row: Group) -> bool:
        return row.active

    def narrow(self) -> None:
        if not self.is_bound:
            note_read(self.row, by=self.user)
        self.found = self._candidates()
        if not self.row.population:
            del self.fields["population_opt_in"]
        if not self.found.candidates:
            self.submits, self.leave = False, "Back to the group"
            for name in ("choice", "population_opt_in"):
                self.fields.pop(name, None)
            return
        field: Any = self.fields["choice"]
        field.choices = [(str(one.episode.pk), _said(one)) for one in self.found.candidates]

    def _candidates(self) -> Filling:
        today = timezone.localdate(timezone=self.clinic.tz)
        waits = WaitlistEntry.objects.filter(clinic=self.clinic, state__in=WAITING)
        rows = Episode.objects.visible_to(self.user).filter(
            Q(state__in=IN_TREATMENT) | Q(pk__in=waits.values("episode")), clinic=self.clinic
        )
        self.episodes = list(rows.select_related("patient").order_by("pk"))
        return who_could_fill(
            group=self.row,
            episodes=self.episodes,
            on=today,
            now=timezone.now(),
        )

    def introduction(self) -> str:
        number = len(self.found.candidates)
        if not number:
            return "Nobody who waits or is short fits. Below is why."
        who = "1 patient fits" if number == 1 else f"{number} patients fit"
        return f"{who} by plan and calendar. When they can come is not known here: ask first."

    def before(self) -> Iterable[Panel]:
        yield from super().before()
        yield from self._to_admit()
        yield Panel(
            "Others who wait or are short",
            ("Why not here", "Patients"),
            [(why, number) for why, number in self.found.reasons],
            empty="Nobody else waits or is short.",
            note=_enough(self.found.enough),
            folded=bool(self.found.candidates),
        )

    def _to_admit(self) -> Iterator[Panel]:
        """Who waits for any group of the program: often all that keeps this one from being full."""
        referred = [one for one in self.episodes if one.admitted_on is None]
        rows = [
            (link(one, one.patient),) for one in referred if one.program_id == self.row.program_id
        ]
        if rows:
            note = "They can have a seat here from their admission on: admit them first."
            yield Panel("Who waits and is not admitted yet", ("Patient",), rows, note=note)

    def run(self) -> str:
        chosen = self.cleaned_data.get("choice")
        one = next((c for c in self.found.candidates if str(c.episode.pk) == chosen), None)
        if one is None:
            raise Refused("nobody_to_enrol", GONE)
        seat = Seats.enrol(
            group=self.row,
            episode=one.episode,
            starts_on=one.first,
            population_opt_in=bool(self.cleaned_data.get("population_opt_in")),
            guests=self.given.get("guests"),
            by=self.user,
        )
        return self.done(
            f"{one.episode.patient} has seat {seat.seat} of {self.row.capacity} from "
            f"{full_date(seat.starts_on)}.",
            seat,
        )


def _enough(number: int) -> str:
    if not number:
        return ""
    if number == 1:
        return "1 patient has what the plan asks for, or no plan, and waits for no group."
    return f"{number} patients have what the plan asks for, or no plan, and wait for no group."


def _said(one: Candidate) -> str:
    """ "Ann Lee: waits since Mar 2, 2026; 9 h short, with it 9 h of 9 h; from Thu Mar 5"."""
    return f"{one.episode.patient}: {'; '.join(_parts(one))}"


def _parts(one: Candidate) -> Iterator[str]:
    if one.waits_since is not None:
        yield f"waits since {full_date(timezone.localdate(one.waits_since))}"
    elif one.waits_elsewhere:
        yield "waits for another group"
    if one.now.minutes_to_go:
        yield f"{hours_and_minutes(one.now.minutes_to_go)} a week short"
    with_it = f"{hours_and_minutes(one.then.at_least)} of {hours_and_minutes(one.then.minimum)}"
    yield f"with it {with_it} on {one.then.days_qualifying} of {one.then.days_required} days"
    yield f"from {long_date(one.first)}"
    if one.out_before:
        yield one.out_before.rstrip(".")
