"""Opening a second group: what it is like, and who of the waitlist waits for it instead."""

from __future__ import annotations

from typing import Any

from django import forms
from django.urls import reverse
from django.utils import timezone
from unfold import widgets

from iop_clinic.accounts.admin.forms import ServiceForm, number_field, text_field
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date
from scheduling import services
from scheduling.models import Group, WaitlistEntry


class OpenSecondForm(ServiceForm):
    title = "Open a second group"
    path = "second"
    order = 52
    button = "Open the group"
    explanation = (
        "For the same program, level, age and population. Its weekly blocks are entered next: on "
        "other days or hours, with leaders who are free then."
    )
    can = Can.MANAGE_SCHEDULE
    row: Group
    name = text_field("Name", max_length=40, help_text="A neutral code name.")
    capacity = number_field("Seats", help_text="8 to 15")
    moving = forms.ModelMultipleChoiceField(
        WaitlistEntry.objects.select_related("episode__patient").order_by("added_at", "pk"),
        label="Wait for the second group from now on",
        required=False,
        widget=widgets.UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="In the order in which they stand. Who is offered a seat stays here.",
    )
    second: Group | None = None

    @classmethod
    def offered(cls, row: Group) -> bool:
        return row.active

    def narrow(self) -> None:
        self.start_with(name=f"{self.row.name} 2"[:40], capacity=self.row.capacity)
        field: Any = self.fields["moving"]
        field.queryset = field.queryset.filter(group=self.row, state=WaitlistEntry.State.WAITING)
        field.label_from_instance = _waits
        if self.is_bound:
            return
        note_read(self.row, by=self.user)
        if not field.queryset.exists():
            del self.fields["moving"]

    def run(self) -> str:
        given = self.cleaned_data
        self.second = services.open_second_group(
            group=self.row,
            name=given["name"],
            capacity=given["capacity"],
            moving=list(given["moving"]),
            by=self.user,
        )
        number = len(given["moving"])
        waits = "1 patient waits" if number == 1 else f"{number} patients wait"
        said = f"{self.second} is open{f', and {waits} for it' if number else ''}."
        return f"{said} Next: add its weekly blocks."

    def next_url(self) -> str:
        if self.second is None:
            return ""
        return f"{reverse('admin:scheduling_weeklyblock_new')}?group={self.second.pk}"


def _waits(entry: WaitlistEntry) -> str:
    return f"{entry.episode.patient}, since {full_date(timezone.localdate(entry.added_at))}"
