"""Files from elsewhere: brought, looked at before anything is written, imported, and what became
of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path, reverse
from django.utils import timezone

from attendance.admin.import_words import Standing, panels_of, standing_of, took
from attendance.imports.findings import unlisted
from attendance.imports.guide import GUIDED, guide_to
from attendance.imports.progress import progress_of
from attendance.imports.runs import confirm, discard, take_in, try_again
from attendance.imports.template import template
from attendance.imports.uploads import MEGABYTE, MOST_BYTES, MOST_FILES, Upload, file_name
from attendance.models import DataImport
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import ServiceForm
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.admin.views import ServiceView
from iop_clinic.accounts.reads import note_export
from iop_clinic.accounts.roles import Can

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LAST = 5
"""Imports shown under the form."""


# --- bringing files ------------------------------------------------------------------------------


class ManyFiles(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """At least one file."""

    widget = ManyFiles(attrs={"accept": ".csv,.xlsx,.zip", "class": "import-input"})

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        files = data if isinstance(data, list) and data else [None]
        return [super(FilesField, self).clean(one, initial) for one in files]


class BringPage(ServiceView):
    template_name = "admin/attendance/dataimport/bring.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        rows = self.model_admin.get_queryset(self.request)[:LAST]
        return context | {
            "guides": [guide_to(table) for table in GUIDED],
            "most_bytes": MOST_BYTES,
            "recent": Panel(
                "Recent imports",
                ("Import", "By", "State", "What became of it"),
                [
                    (link(one), one.uploaded_by, one.get_state_display(), took(one, timezone.now()))
                    for one in rows
                ],
                empty="Nothing has been brought in yet.",
            ),
        }


class BringForm(ServiceForm):
    title = "Import files"
    path = "bring"
    button = "Check the files"
    can = Can.IMPORT
    wants_row = False
    page = BringPage
    uploads = FilesField(
        label="Files",
        allow_empty_file=True,  # the service says it in words
        error_messages={"required": "Choose one file or more."},
        help_text=f"CSV, a zip of CSV files, or one Excel workbook (.xlsx): at most {MOST_FILES} "
        f"files and {MOST_BYTES // MEGABYTE} MB together.",
    )

    def run(self) -> str:
        files = self.cleaned_data["uploads"]
        if sum(one.size for one in files) > MOST_BYTES:  # before they are read into memory
            size = f"{MOST_BYTES // MEGABYTE} MB"
            raise Refused("too_large", f"Together larger than {size}: bring them in several times.",
                          field="uploads")  # fmt: skip
        uploads = [Upload(file_name(one.name), one.read()) for one in files]
        self.brought = take_in(clinic=self.clinic, uploads=uploads, by=self.user)
        return "The files are here and are being checked. Nothing is imported yet."

    def next_url(self) -> str:
        return page_of(self.brought)


# --- one upload ----------------------------------------------------------------------------------


class OfOneUpload(ServiceForm):
    """What is asked on the upload's own page, by a button there."""

    can = Can.IMPORT
    row: DataImport

    @classmethod
    def offered(cls, row: Any) -> bool:
        return False


class ConfirmForm(OfOneUpload):
    title = "Import"
    path = "import"
    explanation = "Writes all rows that are new, or none. Rows the clinic has stay as they are."
    digest = forms.CharField(widget=forms.HiddenInput)

    def narrow(self) -> None:
        self.start_with(digest=self.row.digest)
        self.submits = self.row.state == State.CHECKED
        self.leave = "Cancel" if self.submits else "Back to the import"

    def introduction(self) -> str:
        return (
            self.explanation if self.submits else standing_of(self.row, None, timezone.now()).said
        )

    def run(self) -> str:
        row = confirm(row=self.row, digest=self.cleaned_data["digest"], by=self.user)
        if row.state == State.IMPORTED:
            return "These files are imported already. Nothing is imported twice."
        return "The import is on its way."


class TryAgainForm(OfOneUpload):
    title = "Try again"
    path = "again"
    explanation = "Checks the files once more. Nothing is imported before you say so."

    def run(self) -> str:
        try_again(row=self.row, by=self.user)
        return "The files are being checked once more."


class DiscardForm(OfOneUpload):
    title = "Discard the files"
    path = "discard"
    danger = True
    explanation = "Forgets the files. Nothing of them is imported."

    def run(self) -> str:
        discard(row=self.row, by=self.user)
        return "The files are discarded. Nothing of them was imported."


@admin.register(DataImport)
class DataImportAdmin(ClinicModelAdmin):
    view = Can.IMPORT
    list_display = ("name", "uploaded_by", "state", "became")
    list_filter = ("state",)
    related = ("uploaded_by", "confirmed_by")
    ordering = ("-uploaded_at", "-pk")
    fields = (("uploaded_by", "uploaded_at"), ("confirmed_by", "finished_at"))
    verbs = (ConfirmForm, TryAgainForm, DiscardForm)
    list_verbs = (BringForm,)
    reads_are_noted = True  # what is wrong with a cell quotes it

    @admin.display(description="Import", ordering="uploaded_at")
    def name(self, row: DataImport) -> str:
        return str(row)

    @admin.display(description="What became of it")
    def became(self, row: DataImport) -> str:
        return took(row, timezone.now())

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).defer("content", "listing")

    def panels(self, request: Any, row: DataImport) -> Iterable[Panel]:
        return panels_of(row)

    panels_first = True

    def render_change_form(
        self, request: Any, context: Any, add: bool = False, change: bool = False,
        form_url: str = "", obj: Any = None,
    ) -> Any:  # fmt: skip
        if obj is not None:
            context["standing"] = self.standing(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @staticmethod
    def standing(row: DataImport) -> Standing:
        told = progress_of(row.pk) if row.state in (State.CHECKING, State.IMPORTING) else None
        return standing_of(row, told, timezone.now())

    def get_urls(self) -> list[Any]:
        own = [
            ("template.xlsx", self.template_view, "template"),
            ("<int:object_id>/progress/", self.progress_view, "progress"),
            ("<int:object_id>/problems.csv", self.problems_view, "problems"),
        ]
        name = "attendance_dataimport"
        return [
            path(route, self.admin_site.admin_view(view), name=f"{name}_{page}")
            for route, view, page in own
        ] + super().get_urls()

    def template_view(self, request: HttpRequest) -> HttpResponse:
        """An empty workbook with a sheet for each table."""
        if not self.may(request, self.view):
            raise PermissionDenied
        return _file(template(), "iop-clinic-tables.xlsx", XLSX)

    def progress_view(self, request: Any, object_id: int) -> HttpResponse:
        """How far the worker is, for the page that shows it; five statements."""
        standing = self.standing(self._row(request, object_id))
        answer = JsonResponse(
            {
                "busy": standing.busy,
                "title": standing.title,
                "said": standing.said,
                "rows": standing.progress and standing.progress.rows,
                "of": standing.progress and standing.progress.of,
            }
        )
        answer["Cache-Control"] = "no-store"
        return answer

    def problems_view(self, request: Any, object_id: int) -> HttpResponse:
        """All that was found, as a CSV file."""
        row = self._row(request, object_id)
        if row.listing is None:
            raise Http404
        note_export(row, by=request.user, exported="problems of an import (CSV)")
        return _file(unlisted(bytes(row.listing)), "import-problems.csv", "text/csv")

    def _row(self, request: Any, object_id: int) -> DataImport:
        row: DataImport | None = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row


State = DataImport.State


def page_of(row: DataImport) -> str:
    return reverse("admin:attendance_dataimport_change", args=[row.pk])


def _file(data: bytes, name: str, kind: str) -> HttpResponse:
    return HttpResponse(
        data,
        content_type=kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
