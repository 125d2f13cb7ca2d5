"""Forms for standards: from a preset or from the version in force, replaced and ended; each is
looked at before it is saved."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django import forms
from django.urls import reverse

from attendance.admin.wording import verdict
from attendance.compliance.presets import PRESETS, preset
from attendance.compliance.status import JudgedStandard
from attendance.models import Standard
from attendance.standards import FIGURES, add_standard, end_standard, replace_standard
from attendance.standards_ahead import Change, Preview, Tally, preview_end, preview_standard
from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    date_field,
    level_field,
    many_field,
    number_field,
    row_field,
    text_field,
    yes_field,
)
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.models import Weekday
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import long_date
from patients.models import AgeBracket, Episode, Level, Payer, Program
from scheduling.models import SessionType

SHOWN = 200
"""Rows of a preview; of the others it tells how many there are."""

EVERY_PAYER = "No payer is chosen: it judges all who have any payer, self-pay too."


class FiguresForm(ServiceForm):
    """What a version of a standard asks of a week."""

    can = Can.MANAGE_CLINIC
    looks_ahead = True
    min_minutes = number_field("Minutes a week", initial=540, min_value=0, max_value=10080)
    max_minutes = number_field(
        "At most", initial=1200, min_value=0, max_value=10080, required=False,
        help_text="Over it is the next level of care. Empty: no maximum.",
    )  # fmt: skip
    min_days = number_field("Qualifying days", initial=3, min_value=0)
    day_threshold = number_field(
        "Minutes of a qualifying day", initial=180, min_value=0, max_value=1440
    )
    services_per_day = number_field(
        "Services of a qualifying day", initial=0, min_value=0, max_value=20,
        help_text="0: not counted.",
    )  # fmt: skip
    basis = choice_field(Standard.Basis.choices, initial=Standard.Basis.CREDITED)
    counted_types = many_field((), "Counted types", coerce=int, help_text="None: all count.")
    week_starts_on = level_field(Weekday.choices, "Its weeks begin on", initial=Weekday.MONDAY)
    prorate = yes_field(
        "Prorate", initial=True, help_text="Payers and courts see the unreduced figure."
    )
    name = text_field(max_length=80)
    starts_on = date_field("From", help_text="The first day of one of its weeks.")
    ends_on = date_field("Until", required=False, help_text="Empty: until the next version.")

    def narrow(self) -> None:
        types = SessionType.objects.visible_to(self.user).filter(clinic=self.clinic)
        self.fields["counted_types"].choices = types.values_list("pk", "name")  # type: ignore[attr-defined]

    @property
    def facts(self) -> dict[str, Any]:
        """What was left empty is said too: no maximum, any payer, no last day."""
        return {name: value for name, value in self.cleaned_data.items() if name != "preset"}

    def told(self, change: Preview) -> list[Panel]:
        return [_summary(change), _patients(change)]


class EndStandardForm(ServiceForm):
    title = "End"
    path = "end"
    explanation = (
        "After its last day weeks are judged without it. To judge them by other figures, replace "
        "it from a date instead."
    )
    can = Can.MANAGE_CLINIC
    looks_ahead = True
    row: Standard
    ends_on = date_field(
        "Last day", required=False,
        help_text="The last day of one of its weeks. Empty: it goes on until it is replaced.",
    )  # fmt: skip

    def narrow(self) -> None:
        self.start_with(ends_on=self.row.ends_on)

    def clean_ends_on(self) -> datetime.date | None:
        day: datetime.date | None = self.cleaned_data["ends_on"]
        if day == self.row.ends_on:
            raise forms.ValidationError(
                "It ends then already." if day else "Enter its last day.", code="unchanged"
            )
        return day

    def ahead(self) -> Sequence[Panel]:
        told = preview_end(standard=self.row, ends_on=self.cleaned_data["ends_on"], by=self.user)
        return [_summary(told), _patients(told)]

    def run(self) -> str:
        row = end_standard(standard=self.row, ends_on=self.cleaned_data["ends_on"], by=self.user)
        if row.ends_on is None:
            return f"“{row.name}” goes on until it is replaced."
        return f"“{row.name}” ends on {long_date(row.ends_on)}."


class AddStandardForm(FiguresForm):
    title = "Add a standard"
    path = "new"
    wants_row = False
    preset = forms.CharField(required=False, widget=forms.HiddenInput)
    source = level_field(Standard.Source.choices, "Asked for by", initial=Standard.Source.PROGRAM)
    program = row_field(Program.objects.all(), required=False, help_text="Empty: any.")
    payer = row_field(
        Payer.objects.all(), required=False,
        help_text="Of a payer's standard. Empty: it judges all who have any payer, self-pay too.",
    )  # fmt: skip
    level = level_field(Level.choices, "Level of care", initial=Level.IOP)
    age_bracket = level_field(AgeBracket.choices, initial=AgeBracket.ADULT)
    field_order = ("preset", "name", "source", "program", "payer", "level", "age_bracket")

    def narrow(self) -> None:
        super().narrow()
        self.start_with(week_starts_on=self.clinic.week_starts_on)
        if chosen := preset(self.preset_key):
            self.initial = {**self.initial, **chosen.figures}

    @property
    def preset_key(self) -> str:
        return str(self.data.get("preset") or self.initial.get("preset") or "")

    def starting_points(self) -> Sequence[tuple[str, str]]:
        page = reverse("admin:attendance_standard_new")
        return [(one.title, f"{page}?preset={one.key}") for one in PRESETS]

    def introduction(self) -> str:
        chosen = preset(self.preset_key)
        if chosen is None:
            return "Start from a preset, or enter your own figures."
        return " ".join(part for part in (chosen.source, chosen.hint) if part)

    def clean(self) -> dict[str, Any]:
        facts = super().clean() or self.cleaned_data
        chosen = preset(self.preset_key)
        of_payer = chosen is not None and chosen.figures.get("source") == facts.get("source")
        if of_payer and not facts.get("payer"):  # the program's presets name no source
            self.add_error("payer", "Choose the payer whose patients it judges.")
        return facts

    def ahead(self) -> Sequence[Panel]:
        told = preview_standard(clinic=self.clinic, by=self.user, **self.facts)
        every = self.facts["source"] == Standard.Source.PAYER and self.facts["payer"] is None
        return [_summary(told, note=EVERY_PAYER if every else ""), _patients(told)]

    def run(self) -> str:
        row = add_standard(clinic=self.clinic, by=self.user, **self.facts)
        return f"“{row.name}” judges weeks from {long_date(row.starts_on)} on."


class ReplaceStandardForm(FiguresForm):
    title = "Replace from a date"
    path = "replace"
    explanation = (
        "The version in force ends on the eve. What was judged keeps the version it was judged by."
    )
    row: Standard
    field_order = ("name", "starts_on")

    def narrow(self) -> None:
        super().narrow()
        self.start_with(**{name: getattr(self.row, name) for name in FIGURES})

    def ahead(self) -> Sequence[Panel]:
        told = preview_standard(clinic=self.clinic, standard=self.row, by=self.user, **self.facts)
        return self.told(told)

    def run(self) -> str:
        row = replace_standard(standard=self.row, by=self.user, **self.facts)
        return (
            f"The version from {long_date(row.starts_on)} on is entered; the one before ends on "
            "the eve."
        )


# --- what would change ----------------------------------------------------------------------------


def _summary(change: Preview, *, note: str = "") -> Panel:
    said = [*_left(change), _concerned(change), note]
    if change.ends:
        name, day = change.ends
        said.append(f"“{name}” ends on {long_date(day)}.")
    statuses = ("met", "short", "open", "not_booked")
    rows = [
        (label, *(_before_after(change, kind, status) for status in statuses))
        for label, kind in (("Minutes", "minutes"), ("Days", "days"))
    ]
    headers = ("Of", "Met", "Short", "Open", "Of these not booked")
    return Panel("Weeks judged", headers, rows, note=" ".join(filter(None, said)))


def _left(change: Preview) -> Iterator[str]:
    """Who would be judged by nothing of the program's: the first thing to say."""
    if change.left:
        who = "1 patient in treatment is" if change.left == 1 else (
            f"{change.left} patients in treatment are"
        )  # fmt: skip
        since = long_date(change.since)
        yield f"{who} judged by no standard of the program from {since}."


def _concerned(change: Preview) -> str:
    dates = f"{change.first:%b %-d} – {change.last:%b %-d, %Y}"
    said = f"It concerns {_many(change.patients, 'patient')} in open weeks of {dates}; "
    weeks = len(change.changes)
    if not weeks:
        return f"{said}no week changes."
    verb = "changes" if weeks == 1 else "change"
    return f"{said}{_many(weeks, 'week')} of {_many(change.patients_changed, 'patient')} {verb}."


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _before_after(change: Preview, kind: str, status: str) -> str:
    def of(tally: Tally) -> int:
        return int(getattr(tally, kind)[status])

    before, after = of(change.before), of(change.after)
    return str(before) if before == after else f"{before} → {after}"


def _patients(change: Preview) -> Panel:
    names = dict(_names(change.changes))
    ordered = sorted(change.changes, key=lambda one: (names[one.episode_id], one.week.start))
    rows = [
        (names[one.episode_id], one.week.label, _said(one.before), _said(one.after))
        for one in ordered[:SHOWN]
    ]
    more = len(ordered) - len(rows)
    return Panel(
        "Patients' weeks that change",
        ("Patient", "Week", "Now", "Then"),
        rows,
        empty="No open week changes.",
        note=f"{more} more are not shown." if more else "",
    )


def _names(changes: Iterable[Change]) -> Iterable[tuple[int, str]]:
    ids = {one.episode_id for one in changes}
    for row in Episode.objects.filter(pk__in=ids).select_related("patient"):
        yield row.pk, str(row.patient)


def _said(standards: Sequence[JudgedStandard]) -> str:
    return "; ".join(f"{one.name}: {verdict(one)}" for one in standards) or "not judged"
