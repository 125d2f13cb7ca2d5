"""The attendance summary of one patient for a payer's reviewer: as page, and as PDF."""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from attendance.admin.summary_words import sheet_of
from attendance.compliance.summary import attendance_summary, authorizations
from attendance.documents.pdf import letters_lacking, pdf_of
from attendance.documents.sheet import Sheet
from iop_clinic.accounts.admin.forms import ServiceForm, date_field
from iop_clinic.accounts.admin.views import ServiceView
from iop_clinic.accounts.reads import note_export, note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date
from patients.models import Episode

MOST_DAYS = 366
USUAL_DAYS = 30
_DAY = datetime.timedelta(days=1)


def usual_dates(episode: Episode, today: datetime.date) -> tuple[datetime.date, datetime.date]:
    """The dates of the authorization that runs today, from the admission on; else the last 30 days
    of the stay. One statement."""
    admitted = episode.admitted_on or today
    running = authorizations(episode, today, today).first()
    if running is not None:
        first = max(running.starts_on, admitted, running.ends_on - (MOST_DAYS - 1) * _DAY)
        return first, running.ends_on
    last = min(today, episode.discharged_on or today)
    return max(last - (USUAL_DAYS - 1) * _DAY, admitted), max(last, admitted)


def has_begun(episode: Episode) -> bool:
    """There is nothing to sum up of a referral, or before the day of the admission."""
    return episode.admitted_on is not None and episode.admitted_on <= timezone.localdate()


class SummaryPage(ServiceView):
    """Read with two dates in the address; a POST is no more than that."""

    template_name = "admin/attendance/summary.html"
    row: Episode

    @property
    def user(self) -> Any:
        return self.request.user

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()
        asked = self.request.GET if self.request.GET.keys() & {"first", "last"} else None
        return {**kwargs, "data": asked}

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if not has_begun(self.row):
            raise Http404
        form: Any = self.get_form()
        return self.answer(form, form.dates())

    post = get

    def answer(self, form: Any, dates: tuple[datetime.date, datetime.date] | None) -> HttpResponse:
        note_read(self.row, by=self.user)
        context = self.get_context_data(form=form, sheet=None, pdf_url="")
        if dates is not None:
            context["sheet"] = self.sheet(dates)
            if self.model_admin.may(self.request, SummaryPdfForm.can):
                context["pdf_url"] = _address(self.row, SummaryPdfForm, dates)
        return self.render_to_response(context)

    def sheet(self, dates: tuple[datetime.date, datetime.date]) -> Sheet:
        first, last = dates
        summary = attendance_summary(episode=self.row, first=first, last=last, now=timezone.now())
        return sheet_of(summary, made_by=str(self.user))


class SummaryPdf(SummaryPage):
    """The same sheet as a file. Dates that are refused lead to the page, which says why."""

    def answer(self, form: Any, dates: tuple[datetime.date, datetime.date] | None) -> HttpResponse:
        if dates is None:
            return self._to_the_page()
        sheet = self.sheet(dates)
        if lacking := letters_lacking(sheet):
            messages.error(self.request, f"The PDF has no letters for {lacking}: print the page.")
            return self._to_the_page()
        written = pdf_of(sheet)
        first, last = (day.isoformat() for day in dates)
        note_export(
            self.row,
            by=self.user,
            exported="attendance summary (PDF)",
            **{"from": first, "until": last},
        )
        name = f"attendance-summary-{first}-{last}.pdf"  # no patient's name on a shared disk
        return HttpResponse(
            written,
            content_type="application/pdf",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _to_the_page(self) -> HttpResponse:
        page = reverse(f"admin:patients_episode_{SummaryForm.path}", args=[self.row.pk])
        return HttpResponseRedirect(f"{page}?{self.request.GET.urlencode()}")


class SummaryForm(ServiceForm):
    title = "Attendance summary"
    path = "attendance-summary"
    button = "Show these dates"
    can = Can.VIEW_PATIENTS
    order = 35
    page = SummaryPage
    row: Episode
    first = date_field("First day")
    last = date_field("Last day")

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return has_begun(row)

    def narrow(self) -> None:
        if not self.is_bound:
            self.usual = usual_dates(self.row, timezone.localdate())
            self.start_with(first=self.usual[0], last=self.usual[1])

    def dates(self) -> tuple[datetime.date, datetime.date] | None:
        """The dates asked for, or the usual ones; None when they are refused."""
        if not self.is_bound:
            return self.usual
        if not self.is_valid():
            return None
        return self.cleaned_data["first"], self.cleaned_data["last"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first is not None:
            self._check_first(first)
        if first is not None and last is not None:
            self._check_last(first, last)
        return cleaned

    def _check_first(self, first: datetime.date) -> None:
        admitted = self.row.admitted_on
        if admitted is not None and first < admitted:
            said = f"The patient was admitted on {full_date(admitted)}: begin on that day or later."
            self.add_error("first", ValidationError(said, code="before_admission"))
        elif first > timezone.localdate():
            said = "This day is still to come: begin today or earlier."
            self.add_error("first", ValidationError(said, code="still_to_come"))

    def _check_last(self, first: datetime.date, last: datetime.date) -> None:
        if last < first:
            said = "The last day lies before the first one."
            self.add_error("last", ValidationError(said, code="range_reversed"))
        elif (last - first).days >= MOST_DAYS:
            said = f"Ask for {MOST_DAYS} days at most: end by {_latest(first)}."
            self.add_error("last", ValidationError(said, code="range_too_long"))


class SummaryPdfForm(SummaryForm):
    """Not among the verbs: the page leads to it, with the dates that it shows."""

    path = "attendance-summary.pdf"
    can = Can.EXPORT
    page = SummaryPdf

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return False


SUMMARY_PAGES = (SummaryForm, SummaryPdfForm)


def _latest(first: datetime.date) -> str:
    return full_date(first + (MOST_DAYS - 1) * _DAY)


def _address(
    row: Episode, form: type[ServiceForm], dates: tuple[datetime.date, datetime.date]
) -> str:
    page = reverse(f"admin:patients_episode_{form.path}", args=[row.pk])
    first, last = dates
    return f"{page}?{urlencode({'first': first.isoformat(), 'last': last.isoformat()})}"
