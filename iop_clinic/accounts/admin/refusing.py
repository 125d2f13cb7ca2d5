"""What a service or a database rule refuses, told at a form: and what others changed meanwhile.

Whoever sends a form that has become stale is told who changed what, and loses no input.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from iop_clinic.accounts.acting import Busy, Refused
from iop_clinic.accounts.admin.history import changed_since, changes_since, events_of
from iop_clinic.accounts.admin.untouched import as_seen, columns_of, keep_up
from iop_clinic.accounts.constraints import violation

REFUSALS = (Refused, IntegrityError, Busy)


def refusal_of(error: Exception) -> Refused:
    """The sentence behind a failed write; an error that names no rule of ours is raised again."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Busy):
        return Refused("busy", str(error))
    broken = violation(error) if isinstance(error, IntegrityError) else None
    if broken is None:
        raise error
    return Refused(broken.code, broken.message, constraint=broken.name)


class RefusableForm(forms.BaseForm):
    """A form that can be told what a service refused.

    `seen_step` is the newest step of its row (see `last_step`) when the page was opened.
    """

    seen_step: int | None = None

    def refuse(self, refused: Refused) -> None:
        """Show a refusal at its field, or above the form when the field is not in it."""
        errors = refused.details.get("errors") or [
            {"loc": [refused.field], "message": refused.message, "code": refused.code}
        ]
        for one in errors:  # type: ignore[attr-defined]
            field = one["loc"][0] if one["loc"] else ""
            shown = field in self.fields and not self.fields[field].widget.is_hidden
            error = ValidationError(one["message"], code=one["code"])
            self.add_error(field if shown else None, error)

    def remember_step(self, row: Any) -> None:
        """Let the page say, when it is sent, what it knew of the row."""
        form: Any = self
        form.fields["last_step"] = forms.IntegerField(
            widget=forms.HiddenInput, required=False, initial=getattr(row, "last_step", None)
        )

    def tell_changes(self, row: Any, refused: Refused) -> None:
        """Say of what is stale who changed what; the row is as it is now.

        What the person left alone is shown as it is now, so that their next save changes nothing
        back; what both changed keeps their entry, and is named.
        """
        if refused.code != "stale_version":
            return
        notes = self.keep_up(row)
        if told := changed_since(row, self.seen_step, columns_of(type(row), notes)):
            refused.message = told.message
        form: Any = self
        versioned, seen = self.versioned_row(row), form.cleaned_data.get("version")
        if seen is not None and versioned is not None and (told is None or versioned is not row):
            said = columns_of(type(versioned), notes)
            refused.message = changes_since(versioned, seen, refused.message, said)
        self._show_as_now(versioned, row)

    def opened(self, row: Any) -> Any:
        """This form as it is before anything is entered, of a row as it is or was."""
        raise NotImplementedError

    def as_seen(self, row: Any) -> Any:
        """The row as it was when the page was opened; None: nobody knows when that was."""
        if self.seen_step is None:
            return None
        return as_seen(row, events_of(row).filter(id__gt=self.seen_step))

    def keep_up(self, row: Any) -> dict[str, str]:
        """Show what was left alone as it is now; what to say of the fields that others changed."""
        form: Any = self
        if (was := self.as_seen(row)) is None:
            return {}
        form.data = form.data.copy()
        return keep_up(form.data, self.opened(was), self.opened(row))

    def versioned_row(self, row: Any) -> Any:
        """Whose version the page sends, if it sends one."""
        return row

    def _show_as_now(self, versioned: Any, row: Any) -> None:
        """After the warning the next save is made knowingly, from the values of now."""
        form: Any = self
        data = form.data.copy()
        data["last_step"] = str(row.last_step)
        if "version" in form.fields:
            data["version"] = str(getattr(versioned, "version", 0))
        form.data = data
