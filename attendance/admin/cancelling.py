"""Cancelling a session: before anybody confirms it, who would lose what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from django import forms

from attendance.cancel_impact import Effect, Loss, cancel_impact
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.admin.views import seal
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.weeks import hours_and_minutes
from scheduling.admin import sessions


class CancelForm(sessions.CancelForm):
    """Takes the place of the form below, which does not know what a week adds up to.

    What would be refused is said before a reason is asked for.
    """

    shown = forms.CharField(widget=forms.HiddenInput, required=False)

    def narrow(self) -> None:
        if self.is_bound:
            return
        self.start_with(shown=self._shown())
        note_read(self.row, by=self.user)
        if self._impact[1]:
            self.submits, self.leave = False, "Back to the session"
            self.fields.clear()

    def _shown(self) -> str:
        return seal(self.before())

    def run(self) -> str:
        """Not on the strength of a page that others have made untrue since."""
        self.__dict__.pop("_impact", None)  # run again after a deadlock, it is another one
        if not self._impact[1] and self.cleaned_data["shown"] != self._shown():
            form: Any = self
            form.data = {**form.data.dict(), "shown": self._shown()}
            said = "What it takes from whom has changed since you looked: this is how it stands."
            raise Refused("impact_changed", said)
        return super().run()

    @cached_property
    def _impact(self) -> tuple[Sequence[Loss], str]:
        """What it would take, or why it is refused."""
        if not self.row.live:
            return (), sessions.CANCELLED_ALREADY
        try:
            losses = cancel_impact(session=self.row)
        except Refused as refused:
            return (), refused.message
        return sorted(losses, key=lambda one: not falls(one)), ""

    def introduction(self) -> str:
        losses, refusal = self._impact
        return refusal or f"{summary(losses)} {self.explanation}"

    def before(self) -> Sequence[Panel]:
        losses, _ = self._impact
        rows = [
            (
                link(one.patient),
                hours_and_minutes(one.minutes_lost),
                change_said(one.first.at_most_before, one.first.at_most_after),
                change_said(one.first.minimum_before, one.first.minimum),
                "; ".join(effects_said(one)),
            )
            for one in losses
        ]
        headers = ("Patient", "Loses", "Week can reach", "Asked for", "Then")
        return [Panel("What it takes from whom", headers, rows)] if rows else []


def summary(losses: Sequence[Loss]) -> str:
    """How many are expected, and for how many the week is out of reach then."""
    falling = sum(falls(one) for one in losses)
    who = f"{falling} of them" if falling else "Nobody"
    if not losses:
        return "Nobody is expected."
    if len(losses) == 1:
        expected, who = "1 patient is expected.", "The patient" if falling else "Nobody"
    else:
        expected = f"{len(losses)} patients are expected."
    return f"{expected} {who} would fall below what is asked of the week."


def falls(loss: Loss) -> bool:
    return any(one.falls_below or one.too_few_days for one in loss.effects)


def change_said(before: int, after: int) -> str:
    """ "9 h → 6 h", or one figure where nothing changes."""
    figures = [hours_and_minutes(before), hours_and_minutes(after)]
    return " → ".join(dict.fromkeys(figures))


def effects_said(loss: Loss) -> Iterator[str]:
    """What each standard makes of it that can be reached now and could not be reached then."""
    if not falls(loss):
        yield "short already" if _short(loss.first) else "stays within reach"
    for one in loss.effects:
        if one.falls_below:
            most, least = hours_and_minutes(one.at_most_after), hours_and_minutes(one.minimum)
            yield f"falls below {one.standard}: at most {most} of {least}"
        if one.too_few_days:
            days = f"at most {one.days_at_most_after} of {one.days} days"
            yield f"too few days for {one.standard}: {days}"


def _short(effect: Effect) -> bool:
    """The week cannot be reached as it is."""
    return (
        effect.at_most_before < effect.minimum_before
        or effect.days_at_most_before < effect.days_before
    )
