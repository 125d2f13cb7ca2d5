"""What this floor adds to the page of an episode: holds, the discharge, the weeks, the cases."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join

from attendance.admin.leaving import taken_panels
from attendance.admin.level_change import LevelForm
from attendance.admin.level_taken_back import TakeLevelBackForm
from attendance.admin.make_ups import MakeUpHereForm
from attendance.admin.patient.cases import open_cases, outreach_and_settled
from attendance.admin.patient.checklist import checklist
from attendance.admin.patient.contact import contact
from attendance.admin.patient.head import head
from attendance.admin.patient.planned import planned
from attendance.admin.patient.timeline import timeline
from attendance.admin.patient.weeks import last_weeks, week_bars
from attendance.admin.placing import FindPlaceForm
from attendance.discharges_taken_back import take_back_discharge
from attendance.episodes import DISCHARGED_ALREADY, discharge, hold, resume
from attendance.trials import tried
from iop_clinic.accounts.admin.forms import choice_field, date_field, note_field, text_field
from iop_clinic.accounts.admin.panels import Panel, link, verb_link
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import long_date
from patients.admin.verbs import IN_TREATMENT, EpisodeForm
from patients.models import Episode, EpisodeHold
from patients.services import discharge_reasons, next_hold
from scheduling.admin.wording import session_when

NOTHING_ELSE = "No seat, no booking and no open case."
NOT_BEGUN = "The hold has not begun: back on its first day or before, it is taken back whole."


class HoldForm(EpisodeForm):
    title = "Put on hold"
    path = "hold"
    button = "Put on hold"
    order = 70
    explanation = (
        "The program pauses: absence rules are silent and the week's minimum shrinks. Seats in "
        "groups stay; bookings in these days are withdrawn."
    )
    starts_on = date_field()
    ends_on = date_field("Last day", required=False, help_text="Empty: until the patient resumes.")
    reason = choice_field(EpisodeHold.Reason.choices)
    note = text_field(required=False)

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state in IN_TREATMENT

    looks_ahead = True

    def ahead(self) -> Sequence[Panel]:
        note_read(self.row, by=self.user)

        def pause() -> None:
            hold(episode=copy.copy(self.row), by=self.user, **self.given)

        taken = tried(episode=self.row, write=pause, by=self.user)
        return list(taken_panels(taken, self.user, self.clinic))

    def run(self) -> str:
        row = hold(episode=self.row, by=self.user, **self.given)
        return (
            f"On hold from {long_date(row.starts_on)}. Seats stay; resume when the patient is back."
        )


class ResumeForm(EpisodeForm):
    title = "Resume after the hold"
    path = "resume"
    order = 22
    explanation = "Sessions withdrawn for the hold are booked again where there is still a place."
    resumes_on = date_field("First day back")
    begun = True

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state == Episode.State.ON_HOLD

    def narrow(self) -> None:
        """Back from today on; a hold that has not begun is taken back whole."""
        today = timezone.localdate()
        hold = next_hold(self.row, today)
        if hold is not None:
            self.start_with(resumes_on=max(today, hold.starts_on))
            self.begun = hold.starts_on <= today

    def introduction(self) -> str:
        return self.explanation if self.begun else f"{NOT_BEGUN} {self.explanation}"

    def run(self) -> str:
        day = self.cleaned_data["resumes_on"]
        back = resume(episode=self.row, resumes_on=day, by=self.user)
        said = f"The patient is expected again from {long_date(day)}."
        if not back.not_booked:
            return said
        dates = ", ".join(map(long_date, back.not_booked))
        return f"{said} No place is left on {dates}: book these by hand."


class DischargeForm(EpisodeForm):
    title = "Discharge"
    path = "discharge"
    order = 90
    danger = True
    button = "Discharge the patient"
    explanation = (
        "Ends the plan, the seats in groups and the holds; later bookings are withdrawn and open "
        "cases closed. A person decides this, never a rule."
    )
    discharged_on = date_field("Last day in the program")
    reason = choice_field(Episode.DischargeReason.choices)
    note = note_field()

    looks_ahead = True

    def narrow(self) -> None:
        if not self.is_bound and not self.offered(self.row):
            self.submits, self.leave = False, "Back to the episode"
            self.fields.clear()
            return
        fitting = discharge_reasons(admitted=self.row.admitted_on is not None)
        reason: Any = self.fields["reason"]
        reason.choices = [("", "Select …"), *((one.value, one.label) for one in fitting)]

    def introduction(self) -> str:
        return self.explanation if self.offered(self.row) else DISCHARGED_ALREADY

    def ahead(self) -> Sequence[Panel]:
        """What a discharge on that day would end; said as well if that is nothing."""
        note_read(self.row, by=self.user)
        day = self.cleaned_data["discharged_on"] + datetime.timedelta(days=1)
        midnight = datetime.datetime.combine(day, datetime.time(), self.clinic.tz)
        seats = self.row.memberships.during(day, None).select_related("group")
        lines = [(link(seat, seat.group), seat.seat) for seat in seats]

        def end() -> None:
            discharge(episode=copy.copy(self.row), by=self.user, **self.given)

        taken = tried(episode=self.row, write=end, by=self.user, since=midnight)
        given_up = [Panel("Seats given up", ("Group", "Seat"), lines)] if lines else []
        found = [*given_up, *taken_panels(taken, self.user, self.clinic)]
        return found or [Panel("What ends with it", empty=NOTHING_ELSE)]

    def run(self) -> str:
        discharge(episode=self.row, by=self.user, **self.given)
        return (
            f"{self.row.patient} is discharged on {long_date(self.cleaned_data['discharged_on'])}. "
            "Seats are free from the day after on: look at the waitlist."
        )


class TakeDischargeBackForm(EpisodeForm):
    title = "Take the discharge back"
    path = "take-discharge-back"
    order = 20
    danger = True
    explanation = (
        "For a discharge entered by mistake. The patient is in treatment again as before: plan, "
        "holds, cases, and the seats, bookings and own sessions whose place is still free. Who "
        "comes back after a real discharge is referred anew."
    )
    reason = text_field("Why", max_length=120)

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state == Episode.State.DISCHARGED

    def run(self) -> str:
        done = take_back_discharge(episode=self.row, by=self.user, **self.given)
        number = done.seats.booked
        booked = "1 booking stands again." if number == 1 else f"{number} bookings stand again."
        said = [f"The discharge of {self.row.patient} is taken back.", booked, *done.to_do]
        if done.seats.not_booked:
            dates = ", ".join(map(long_date, done.seats.not_booked))
            said.append(f"No place is left on {dates}: book these by hand.")
        if not done.cancelled:
            return " ".join(said)
        links = ((verb_link(one, "revive", session_when(one)),) for one in done.cancelled)
        revived = format_html_join("; ", "{}", links)
        return format_html(
            "{} Still cancelled, for the leader, the room or the day is taken: {}.",
            " ".join(said),
            revived,
        )


EPISODE_VERBS = (
    MakeUpHereForm,
    FindPlaceForm,
    HoldForm,
    ResumeForm,
    LevelForm,
    TakeLevelBackForm,
    DischargeForm,
    TakeDischargeBackForm,
)


def episode_panels(request: Any, row: Episode) -> Iterable[Panel]:
    """In the order of use: who it is, what is missing, what to act on, how the weeks went."""
    user, now = request.user, timezone.now()
    today = timezone.localdate(now)
    sees_cases = user.may(Can.VIEW_FLAGS, row.clinic_id)
    yield head(row, user, now)
    yield from checklist(row, user, now)
    if sees_cases:
        yield open_cases(row, user)
    yield contact(row, today)
    if row.admitted_on is not None:
        found = last_weeks(row, now)
        weeks = [one for one in found if one.week.start <= (row.discharged_on or today)]
        if row.state in IN_TREATMENT:
            may = user.may(FindPlaceForm.can, row.clinic_id)
            way = verb_link(row, FindPlaceForm.path, FindPlaceForm.title) if may else ""
            yield planned(found, today, way)
        yield week_bars(row, weeks, today)
        yield timeline(row, weeks, user, now, working_clinic(request).zone)
    if sees_cases:
        yield from outreach_and_settled(row, user)
