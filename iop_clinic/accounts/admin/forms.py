"""Forms of the admin site: what a database rule or a service refuses becomes an error at a field.

Nobody loses what they typed: the page is shown again with it and with the sentence of the rule.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DataError, transaction
from django.db.models import CheckConstraint, Model, QuerySet
from django.utils import timezone
from unfold import widgets

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.history import changed_since
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.admin.refusing import RefusableForm
from iop_clinic.accounts.admin.untouched import SHOWN
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import no_such_time

LONGEST_KEY = 19
"""Digits."""


class ClinicModelForm(RefusableForm, forms.ModelForm):
    """One row of the working clinic. The admin class sets the two attributes for each request."""

    clinic_id: int | None = None
    refused: Refused | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.instance.clinic_id = self.clinic_id
            return
        self.remember_step(self.instance)
        if hasattr(self.instance, "version"):
            self.fields["version"] = forms.IntegerField(
                widget=forms.HiddenInput, required=False, initial=self.instance.version
            )

    def opened(self, row: Any) -> Any:
        return type(self)(instance=row)

    def keep_up(self, row: Any) -> dict[str, str]:
        notes = super().keep_up(row)
        for name in self.cleaned_data.keys() & notes.keys():
            if notes[name] == SHOWN:  # so that constraints are asked about what is shown
                self.cleaned_data[name] = getattr(row, name)
        return notes

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        self.seen_step = self.cleaned_data.pop("last_step", None)
        refused = changed_since(self.instance, self.seen_step) or self.refused
        if refused is not None:
            self.tell_changes(self.instance, refused)
            self.refuse(refused)
        return cleaned

    def _post_clean(self) -> None:
        """Dates that end before they start are told by their check.

        PostgreSQL makes no range of them, so that no exclusion constraint can be asked.
        """
        try:
            with transaction.atomic():
                super()._post_clean()  # type: ignore[misc]
        except DataError:
            self._tell_broken_checks()
            if not self.errors:
                raise

    def _update_errors(self, errors: ValidationError) -> None:
        """What a check of one field refuses is told there."""
        told = errors.error_dict if hasattr(errors, "error_dict") else {}
        for error in told.pop(NON_FIELD_ERRORS, []):
            told.setdefault(self._field_of(error), []).append(error)
        super()._update_errors(errors)  # type: ignore[misc]

    def _field_of(self, error: ValidationError) -> str:
        """The field that the check with this sentence reads, if it is one that is shown."""
        for check in self.instance._meta.constraints:
            if (
                isinstance(check, CheckConstraint)
                and check.violation_error_message == error.message
            ):
                read = getattr(check.condition, "referenced_base_fields", ())
                shown = [name for name in read if name in self.fields]
                return shown[0] if len(read) == len(shown) == 1 else NON_FIELD_ERRORS
        return NON_FIELD_ERRORS

    def _tell_broken_checks(self) -> None:
        for constraint in self.instance._meta.constraints:
            if isinstance(constraint, CheckConstraint):
                try:
                    constraint.validate(type(self.instance), self.instance)  # type: ignore[attr-defined]
                except ValidationError as error:
                    self._update_errors(error)


class ServiceForm(RefusableForm, forms.Form):
    """What a verb of the field asks a person before it calls its service.

    A subclass names the verb (`title`, `path`, `can`), lists its fields, and says in `run` which
    service is called and what happened. The fields' choices are rows the person may see. One that
    `looks_ahead` shows what would change, and runs when the same values are sent again.
    """

    title = ""
    path = ""
    button = ""
    leave = "Cancel"
    explanation = ""
    can = ""
    danger = False
    order = 50
    versioned = False
    wants_row = True
    looks_ahead = False
    submits = True
    """False: there is nothing to send, only to read."""
    page: ClassVar[Any] = None
    """The view that shows it, where `ServiceView` does not."""

    def __init__(
        self, *args: Any, row: Any = None, clinic: Clinic, user: User, **kwargs: Any
    ) -> None:
        self.row, self.clinic, self.user = row, clinic, user
        super().__init__(*args, **kwargs)
        if row is not None:
            self.remember_step(row)
        if self.versioned:
            self.fields["version"] = forms.IntegerField(
                widget=forms.HiddenInput, required=False, initial=row.version
            )
        for field in self.fields.values():
            self._limit(field)
        self.narrow()

    def opened(self, row: Any) -> Any:
        return type(self)(row=row, clinic=self.clinic, user=self.user)

    def _limit(self, field: forms.Field) -> None:
        rows: Any = getattr(field, "queryset", None)
        if hasattr(rows, "visible_to"):
            field.queryset = rows.visible_to(self.user).filter(clinic=self.clinic)  # type: ignore[attr-defined]
        if isinstance(field, forms.SplitDateTimeField):
            field.help_text = f"{field.help_text} {self.clinic.zone} time.".strip()

    def start_with(self, **values: Any) -> None:
        """First values, unless the address names others."""
        self.initial = {**values, **self.initial}

    @classmethod
    def offered(cls, row: Any) -> bool:
        """Whether the verb makes sense for the row as it is; asked without a query."""
        return True

    @classmethod
    def concerns(cls, user: User) -> bool:
        """Whether the verb is offered to this person at all; asked without a query."""
        return True

    @classmethod
    def rank(cls, row: Any) -> int:
        """Where the verb stands among the others of the row; small numbers come first."""
        return cls.order

    def _clean_fields(self) -> None:
        """What the page remembers is for the view, and no value that a service takes."""
        super()._clean_fields()  # type: ignore[misc]
        self.seen_step = self.cleaned_data.pop("last_step", None)

    def narrow(self) -> None:
        """Choices and first values that depend on the row."""

    def introduction(self) -> str:
        return self.explanation

    def starting_points(self) -> Sequence[tuple[str, str]]:
        """Titles and addresses of this form with other first values."""
        return ()

    def before(self) -> Iterable[Panel]:
        """Tables to read before anything is entered."""
        return ()

    def ahead(self) -> Sequence[Panel]:
        """Tables of what `run` would change; none: it runs at once. Raises what it raises."""
        return ()

    def run(self) -> str:
        """Call the service; the sentence says what happened and what comes next."""
        raise NotImplementedError

    def shown_once(self) -> Sequence[Panel]:
        """Tables shown after `run` instead of going on: nobody can ask for them again."""
        return ()

    def next_url(self) -> str:
        """Where to go afterwards; empty: the page of the row."""
        return ""

    @property
    def given(self) -> dict[str, Any]:
        """The values as a service takes them: what was left empty is not said."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name != "version" and value not in (None, "")
        }

    @property
    def version(self) -> int | None:
        """The version the person saw, for services that take one."""
        return self.cleaned_data.get("version")


def validate_date(value: datetime.date) -> None:
    """What lies outside is a typing mistake; the rules of each field may be narrower."""
    if not 1900 <= value.year <= 2100:
        raise ValidationError("Enter a date between 1900 and 2100.", code="date")


def is_key(text: str) -> bool:
    """Whether it may be a row's number; Python refuses to read figures of some thousand digits."""
    return text.isdecimal() and len(text) <= LONGEST_KEY


class FoundSelect(AutocompleteSelect):
    """A choice found by typing. What is no key (a mistyped address) is nothing chosen."""

    def build_attrs(self, base_attrs: Any, extra_attrs: Any = None) -> dict[str, Any]:
        """What is typed is posted: a name belongs in no address (see `searching.Offered`)."""
        return {**super().build_attrs(base_attrs, extra_attrs), "data-ajax--type": "POST"}

    def optgroups(self, name: str, value: Sequence[str], attrs: Any = None) -> Any:
        return super().optgroups(name, [one for one in value if is_key(str(one))], attrs)


# --- fields, in the look of the site ---------------------------------------------------------


def date_field(label: str = "", **extra: Any) -> forms.DateField:
    widget = widgets.UnfoldAdminDateWidget()
    return forms.DateField(label=label or None, widget=widget, validators=[validate_date], **extra)


def time_field(label: str = "", **extra: Any) -> forms.TimeField:
    return forms.TimeField(label=label or None, widget=widgets.UnfoldAdminTimeWidget(), **extra)


class MomentField(forms.SplitDateTimeField):
    """A date and a wall time of the clinic (see ClinicTimeMiddleware).

    Django refuses what the clocks show twice as well: here it is the first, as everywhere.
    """

    def compress(self, data_list: Any) -> Any:
        if not data_list or not all(data_list):
            return super().compress(data_list)
        day, wall = data_list
        zone = timezone.get_current_timezone()
        if said := no_such_time(day, wall, zone):
            raise ValidationError(said, code="no_such_time")
        return datetime.datetime.combine(day, wall, tzinfo=zone)


def moment_field(label: str = "", **extra: Any) -> MomentField:
    widget = widgets.UnfoldAdminSplitDateTimeWidget()
    return MomentField(label=label or None, widget=widget, validators=[validate_date], **extra)


def text_field(label: str = "", **extra: Any) -> forms.CharField:
    extra.setdefault("max_length", 200)
    widget = widgets.UnfoldAdminTextInputWidget()
    return forms.CharField(label=label or None, widget=widget, **extra)


def note_field(label: str = "", **extra: Any) -> forms.CharField:
    extra.setdefault("required", False)
    widget = widgets.UnfoldAdminTextareaWidget(attrs={"rows": 3})
    return forms.CharField(label=label or None, widget=widget, **extra)


def number_field(label: str = "", **extra: Any) -> forms.IntegerField:
    widget = widgets.UnfoldAdminIntegerFieldWidget()
    return forms.IntegerField(label=label or None, widget=widget, **extra)


def choice_field(choices: Any, label: str = "", **extra: Any) -> forms.TypedChoiceField:
    options = [("", "Select …"), *(choice for choice in choices if choice[0] != "")]
    return forms.TypedChoiceField(
        label=label or None, choices=options, widget=widgets.UnfoldAdminSelectWidget(), **extra
    )


def level_field(choices: Any, label: str = "", **extra: Any) -> forms.TypedChoiceField:
    """A choice stored as a small integer."""
    return choice_field(choices, label, coerce=int, **extra)


def many_field(choices: Any, label: str = "", **extra: Any) -> forms.TypedMultipleChoiceField:
    """Several of a few choices, stored as a list."""
    extra.setdefault("required", False)
    widget = widgets.UnfoldAdminCheckboxSelectMultipleWidget()
    return forms.TypedMultipleChoiceField(
        label=label or None, choices=choices, widget=widget, empty_value=[], **extra
    )


def yes_field(label: str = "", **extra: Any) -> forms.BooleanField:
    extra.setdefault("required", False)
    return forms.BooleanField(
        label=label or None, widget=widgets.UnfoldBooleanSwitchWidget(), **extra
    )


def row_field(rows: QuerySet[Any], label: str = "", **extra: Any) -> forms.ModelChoiceField:
    """A choice among the few rows of a small table."""
    return forms.ModelChoiceField(
        rows, label=label or None, widget=widgets.UnfoldAdminSelectWidget(), **extra
    )


def found_field(
    model: type[Model] | str, key: str, label: str = "", **extra: Any
) -> forms.ModelChoiceField:
    """A choice among many rows, found by typing; `key` is the foreign key that leads to them."""
    owner = apps.get_model(model) if isinstance(model, str) else model
    field: Any = owner._meta.get_field(key)
    return forms.ModelChoiceField(
        field.remote_field.model._default_manager.all(),
        label=label or None,
        widget=FoundSelect(field, admin.site),
        **extra,
    )
