"""What every service does to a row before it is saved: check it, and see that nobody was faster."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import ForeignKey, Model

from iop_clinic.accounts.acting import Refused


class Versioned(Protocol):
    version: int


def check(row: Model) -> None:
    """Refuse a row that breaks a field's validator, its model's `clean` or a named constraint.

    The refusal carries the first error's code, field and sentence, and all of them as `errors`. A
    constraint's code is the one its database error has (see `constraints.violation`). Foreign keys
    are not looked up: services are given rows, and `SameClinic` compares clinics.
    """
    try:
        row.clean_fields(exclude=_given_keys(row))
    except ValidationError as error:
        raise _refusal(error, code="invalid") from None
    try:
        row.clean()
    except ValidationError as error:
        raise _refusal(error) from None
    for constraint in row._meta.constraints:
        try:
            constraint.validate(type(row), row)  # type: ignore[attr-defined]  # missing in stubs
        except ValidationError as error:
            code = constraint.violation_error_code or constraint.name
            raise _refusal(error, code=code) from None


def _given_keys(row: Model) -> set[str]:
    keys = (field for field in row._meta.concrete_fields if isinstance(field, ForeignKey))
    return {key.name for key in keys if getattr(row, key.attname) is not None}


def _refusal(error: ValidationError, *, code: str = "") -> Refused:
    by_field = error.error_dict if hasattr(error, "error_dict") else {"": error.error_list}
    errors: list[dict[str, Any]] = [
        {
            "loc": [field] if field not in ("", NON_FIELD_ERRORS) else [],
            "message": one.messages[0],
            "code": one.code or code or "invalid",
        }
        for field, ones in by_field.items()
        for one in ones
    ]
    first = errors[0]
    field = first["loc"][0] if first["loc"] else ""
    return Refused(code or first["code"], first["message"], field=field, errors=errors)


def check_version(row: Versioned, version: int | None) -> None:
    """Refuse a change that was made from an older version; None (a job, an import) is not checked.

    The row must be locked, or the answer is out of date before it is used.
    """
    if version is not None and row.version != version:
        raise Refused(
            "stale_version",
            "Someone changed this in the meantime. Look at the current values and try again.",
            current=row.version,
        )


def edit(
    row: Any, facts: Mapping[str, Any], *, allowed: Collection[str], version: int | None
) -> bool:
    """Give a locked row new values and save it with the next version; whether anything changed.

    A value that is not in `allowed` is the caller's mistake (TypeError). Values equal to what is
    stored change nothing, whatever the version.
    """
    if unknown := sorted(facts.keys() - set(allowed)):
        raise TypeError(f"{type(row).__name__} is not edited by {', '.join(unknown)}")
    changed = {name: value for name, value in facts.items() if getattr(row, name) != value}
    if not changed:
        return False
    check_version(row, version)
    for name, value in changed.items():
        setattr(row, name, value)
    row.version += 1
    check(row)
    row.save()
    return True
