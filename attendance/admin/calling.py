"""The call list of a closure, time off or combined session: whom to tell what, by which number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join

from attendance.admin.patient.contact import whom_to_call
from attendance.call_list import Call, CallList, call_list
from iop_clinic.accounts.admin.forms import ServiceForm
from iop_clinic.accounts.admin.panels import Panel, link, phone_link
from iop_clinic.accounts.admin.views import ServiceView, seal
from iop_clinic.accounts.models import Therapist
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import long_moment
from patients.models import Episode, Patient
from scheduling.services import note_told
from scheduling.services.telling import is_taken_back

AGAIN = "It was taken back: say what holds now."
CALL_AGAIN = "Told already: call them again"


class CallListPage(ServiceView):
    """Also on paper. Saved, it is shown again: there are more calls to come."""

    template_name = "admin/attendance/call_list.html"

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        note_read(self.row, by=request.user)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(printed_at=timezone.now(), **kwargs)


@dataclass(frozen=True, slots=True)
class Line:
    """A call as a row of the page. `how` is the phone and what may be said there."""

    box: Any
    name: str
    phone: str
    how: str
    news: tuple[str, ...]
    told: str


class CallListForm(ServiceForm):
    """Only what was ticked or unticked here is written: two people call at the same time."""

    title = "Call list"
    path = "call-list"
    button = "Save the ticks"
    leave = "Back"
    can = Can.TAKE_CALL_INS
    order = 10
    page = CallListPage
    shown = forms.CharField(required=False, widget=forms.HiddenInput)
    read = forms.CharField(required=False, widget=forms.HiddenInput)

    def narrow(self) -> None:
        self.list: CallList = call_list(self.row, user=self.user)
        for one in self.list.calls:
            box = forms.BooleanField(required=False)
            box.widget.attrs["aria-label"] = f"{_name(one)} was told"
            self.fields[_key(one)] = box
        ticked = {_key(one): True for one in self.list.calls if one.told}
        read = " ".join(_seal(one) for one in self.list.calls)
        self.start_with(shown=" ".join(sorted(ticked)), read=read, **ticked)
        self.submits = bool(self.list.calls)

    def introduction(self) -> str:
        if not self.list.calls:
            return "Nobody to call."
        return f"{AGAIN} {self.list.told}" if is_taken_back(self.row) else self.list.told

    def patients(self) -> list[Line]:
        return [self._line(one) for one in self.list.patients]

    def therapists(self) -> list[Line]:
        return [self._line(one) for one in self.list.therapists]

    def _line(self, one: Call) -> Line:
        form: Any = self
        phone, how = _reached(one)
        return Line(
            form[_key(one)], link(_page_of(one), _name(one)), phone, how, one.news, _told(one)
        )

    def run(self) -> str:
        """Of whoever is to be told something else by now than what was read nothing is noted."""
        before, read = (set(self.cleaned_data[one].split()) for one in ("shown", "read"))
        ticked = {_key(one) for one in self.list.calls if self.cleaned_data[_key(one)]}
        as_read = {_key(one): one for one in self.list.calls if _seal(one) in read}
        told = [one for key, one in as_read.items() if key in ticked - before]
        untold = [one for key, one in as_read.items() if key in before - ticked]
        note_told(
            cause=self.row,
            told={one.person: one.said for one in told},
            untold=[one.person for one in untold],
            by=self.user,
        )
        now = call_list(self.row, user=self.user).told
        return f"Saved: {now}{_changed(len(ticked - before - as_read.keys()))}"

    def next_url(self) -> str:
        """Here again: there are more calls to come."""
        opts = self.row._meta
        name = f"admin:{opts.app_label}_{opts.model_name}_{self.path}"
        return reverse(name, args=[self.row.pk])


def _key(one: Call) -> str:
    kind = "patient" if isinstance(one.person, Episode) else "therapist"
    return f"{kind}_{one.person.pk}"


def _seal(one: Call) -> str:
    """Whom to call, and in short what to say."""
    return f"{_key(one)}:{seal(one.news)[:16]}"


def _changed(number: int) -> str:
    if not number:
        return ""
    who = "somebody" if number == 1 else f"{number} people"
    return f" What to tell {who} changed meanwhile: call them again."


def _page_of(one: Call) -> Patient | Therapist:
    return one.person.patient if isinstance(one.person, Episode) else one.person


def _name(one: Call) -> str:
    return str(_page_of(one)) if isinstance(one.person, Episode) else one.person.name


def _reached(one: Call) -> tuple[str, str]:
    """The phone, and what may be said there."""
    if not isinstance(one.person, Episode):
        return (phone_link(one.person.phone) if one.person.phone else "none"), ""
    return whom_to_call(one.person.patient, timezone.localdate())


def _told(one: Call) -> str:
    if one.tick is None:
        return ""
    by = f"{one.tick.told_by}, {long_moment(timezone.localtime(one.tick.told_at))}"
    if one.told_otherwise:
        return f"{by}. To be called again: told {'; '.join(one.told_otherwise)}"
    return by if one.told else ""


def call_panels(title: str, calls: Sequence[Call]) -> list[Panel]:
    """Calls as a table: on the page that takes back what these people were told."""
    return [Panel(title, ("Who", "Phone", "What may be said", "Was told"), list(_cells(calls)))]


def _cells(calls: Sequence[Call]) -> Iterator[tuple[object, ...]]:
    for one in calls:
        yield (
            link(_page_of(one), _name(one)), *_reached(one),
            format_html_join("; ", "{}", ((said,) for said in one.was_told)),
        )  # fmt: skip
