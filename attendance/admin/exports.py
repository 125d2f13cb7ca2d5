"""The page from which patients, schedule, attendance and cases leave the site as files."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import FileResponse, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget

from attendance.exports.kinds import SECTIONS, SOURCES, WHOLE
from attendance.exports.services import Form, export
from attendance.exports.sources import Asked
from iop_clinic.accounts.admin.forms import ServiceForm, date_field
from iop_clinic.accounts.admin.views import ServiceView
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date

USUAL_DAYS = 28
MOST_DAYS = 3 * 366
WHOLE_SAID = (
    "The whole clinic: every row of every table, as an Excel file with a sheet for each, or as a "
    "zip with a CSV file for each. The import reads it back; its staff table is for an "
    "administrator only."
)
PART2_SAID = (
    "These rows tell of patients in a Part 2 program: the Excel file carries the notice on a sheet "
    "of its own, and CSV comes as a zip with it."
)
_DAY = datetime.timedelta(days=1)


class KindSelect(UnfoldAdminSelectWidget):
    """Marks the kinds for which dates are asked."""

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(*args, **kwargs)
        if is_dated(str(option["value"])):
            option["attrs"]["data-dated"] = ""
        return option


def is_dated(kind: str) -> bool:
    return kind in SOURCES and SOURCES[kind].dated


class ExportPage(ServiceView):
    """Read with a kind and dates in the address; a POST counts again or sends the file."""

    template_name = "admin/attendance/export.html"
    form_class: type[ExportForm]

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs = super().get_form_kwargs()
        given = {name: self.request.GET[name] for name in self.form_class.base_fields
                 if name in self.request.GET}  # fmt: skip
        if self.request.method == "POST" or not given:
            return kwargs
        return {**kwargs, "data": {**self.form_class.usual(), **given}}

    def get(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        form: Any = self.get_form()
        return self.shown(form)

    def form_valid(self, form: Any) -> Any:
        wanted = self.request.POST.get("as")
        if wanted not in Form.values:
            return self.shown(form)
        made = export(kind=form.what, form=wanted, asked=form.asked())
        return FileResponse(
            made.file, as_attachment=True, filename=made.name, content_type=made.media
        )

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.shown(form)

    def shown(self, form: Any) -> HttpResponse:
        """The form, and how many rows it would take."""
        said = list(form.said()) if form.stands() else []
        context = self.get_context_data(form=form, clinic=working_clinic(self.request), said=said)
        if self.form_class.preset == WHOLE:
            # It belongs to no list: no way back to one that few may open.
            context |= {"opts": None, "model_admin": None, "content_title": self.title}
        return self.render_to_response(context)


class ExportForm(ServiceForm):
    title = "Export"
    path = "export"
    can = Can.EXPORT
    wants_row = False
    page = ExportPage
    preset = WHOLE
    kind = forms.ChoiceField(label="What", widget=KindSelect)
    first = date_field("First day", required=False)
    last = date_field("Last day", required=False)

    @classmethod
    def usual(cls) -> dict[str, Any]:
        today = timezone.localdate()
        return {"kind": cls.preset, "first": today - (USUAL_DAYS - 1) * _DAY, "last": today}

    def narrow(self) -> None:
        field: Any = self.fields["kind"]
        field.choices = self._choices()
        self.start_with(**self.usual())

    def _choices(self) -> list[Any]:
        """By section, what the person may see in the site; the whole for who may see all of it."""
        sections = [
            (title, [(one.table.name, one.title) for one in sources if self._sees(one.needs)])
            for title, sources in SECTIONS
        ]
        sections = [(title, kinds) for title, kinds in sections if kinds]
        if all(self._sees(one.needs) for one in SOURCES.values()):
            sections.append(("Everything", [(WHOLE, "The whole clinic")]))
        return sections

    def _sees(self, needs: Can) -> bool:
        return self.user.may(needs, self.clinic)

    def stands(self) -> bool:
        """Whether it can be answered: nothing was sent yet, or what was sent is in order."""
        return not self.is_bound or self.is_valid()

    @property
    def what(self) -> str:
        return str(self._values()["kind"])

    def asked(self) -> Asked:
        values = self._values()
        dates = (values["first"], values["last"]) if is_dated(self.what) else (None, None)
        return Asked(self.user, self.clinic, *dates)

    def said(self) -> Iterator[str]:
        """What the file would hold; at most two statements."""
        if self.what == WHOLE:
            yield WHOLE_SAID
            return
        source, asked = SOURCES[self.what], self.asked()
        found = source.count(asked)
        dates = ""
        if asked.first and asked.last:
            dates = f" from {full_date(asked.first)} to {full_date(asked.last)}"
        yield f"{source.title}{dates}: {found:,} row{'' if found == 1 else 's'}."
        if not found:
            yield "The file would have its headers only."
        elif source.is_protected(asked):
            yield PART2_SAID

    def _values(self) -> dict[str, Any]:
        return self.cleaned_data if self.is_bound else self.usual()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if is_dated(cleaned.get("kind", "")):
            self._check_dates(cleaned)
        else:  # nobody is asked for them
            for name in ("first", "last"):
                self.errors.pop(name, None)
        return cleaned

    def _check_dates(self, cleaned: dict[str, Any]) -> None:
        for name in ("first", "last"):
            if name not in self.errors and cleaned.get(name) is None:
                self.add_error(name, ValidationError("Choose a day.", code="required"))
        if self.errors:
            return
        first, last = cleaned["first"], cleaned["last"]
        if last < first:
            said = "The last day lies before the first one."
            self.add_error("last", ValidationError(said, code="range_reversed"))
        elif (last - first).days >= MOST_DAYS:
            latest = full_date(first + (MOST_DAYS - 1) * _DAY)
            said = f"Ask for three years at most: end by {latest}."
            self.add_error("last", ValidationError(said, code="range_too_long"))


def export_of(kind: str) -> type[ExportForm]:
    """The page with a kind chosen already."""
    return type("ExportForm", (ExportForm,), {"preset": kind})
