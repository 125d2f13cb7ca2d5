"""The form that takes a change of level back, with what would stand again shown first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attendance.admin.level_change import (
    WAITS_NO_MORE,
    authorization_said,
    bookings_panel,
    plans_panel,
    standards_panel,
)
from attendance.levels_ahead import TakenBackPreview, preview_taken_back
from attendance.levels_taken_back import (
    LevelTakenBack,
    change_of,
    last_plan,
    take_back_level,
)
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.weeks import full_date, long_date
from patients.admin.verbs import IN_TREATMENT, EpisodeForm
from patients.models import Episode
from scheduling.admin.wording import session_when


class TakeLevelBackForm(EpisodeForm):
    title = "Take the change of level back"
    path = "take-level-back"
    order = 81
    danger = True
    looks_ahead = True
    explanation = (
        "For a change entered by mistake, or on a wrong day. The plan of before is in force again, "
        "with the seats and bookings whose place is still free; the seat that began with the "
        "change goes. What the patient attended there stays. First you see what would change."
    )

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state in IN_TREATMENT

    def narrow(self) -> None:
        """Say which change it is; where none can be taken back, why, and nothing is to send."""
        try:
            plan = last_plan(self.row)
            change_of(plan)
        except Refused as refused:
            self.submits, self.leave = False, "Back to the episode"
            self.explanation = refused.message
        else:
            said = f"The change to {plan.get_level_display()} on {full_date(plan.starts_on)}."
            self.explanation = f"{said} {self.explanation}"

    def ahead(self) -> Sequence[Panel]:
        note_read(self.row, by=self.user)
        return list(_panels(preview_taken_back(plan=last_plan(self.row), by=self.user)))

    def run(self) -> str:
        plan = last_plan(self.row)
        done = take_back_level(plan=plan, by=self.user)
        number = done.seats.booked
        return " ".join([
            f"The change of level of {full_date(plan.starts_on)} is taken back:",
            f"{self.row.patient} is on {done.plan.get_level_display()} as before.",
            "1 booking stands again." if number == 1 else f"{number} bookings stand again.",
            *_left_to_do(done),
        ])  # fmt: skip


def _left_to_do(done: LevelTakenBack) -> Iterator[str]:
    yield from done.to_do
    if done.seats.not_booked:
        dates = ", ".join(map(long_date, done.seats.not_booked))
        yield f"No place is left on {dates}: book these by hand."
    for one in done.authorizations:
        yield f"The authorization {authorization_said(one)} stays: look whether it is still right."


def _panels(told: TakenBackPreview) -> Iterator[Panel]:
    yield plans_panel(told.plan_before, told.done.plan)
    yield Panel("Seats in groups", ("Group", "What"), list(_seats(told.done)), empty="None.")
    if told.done.kept:
        kept = [(link(one, session_when(one.session)),) for one in told.done.kept]
        yield Panel("Attended or begun there: stays, as a guest's", ("Session",), kept)
    yield bookings_panel(told.bookings)
    waits = [
        *((one.group, "the patient waits again") for one in told.done.waits),
        *((one.group, WAITS_NO_MORE[one.state]) for one in told.done.left),
    ]
    if waits:
        yield Panel("Waitlists", ("Group", "What"), waits)
    yield standards_panel(told.standards)
    left = [(one,) for one in _left_to_do(told.done)]
    yield Panel("Left to do", ("What",), left, empty="Nothing.")


def _seats(done: LevelTakenBack) -> Iterator[tuple[object, str]]:
    for one in done.run_on:
        until = f" until {full_date(one.ends_on)}" if one.ends_on else ""
        yield one.group, f"seat {one.seat} goes on{until}"
    for one in done.given_up:
        yield one.group, f"seat {one.seat} from {full_date(one.starts_on)} on is taken back"
