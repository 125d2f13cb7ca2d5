"""Two people at one row: what the second one left alone comes back with the value of now.

A page sends all its fields. What it sends is compared with what the page showed when it was opened
(`saw`) and what it would show if it was opened again (`now`), each as a browser sends it.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from django.db.models import Model
from django.forms import CheckboxInput, MultiWidget, Widget
from django.http import QueryDict

from iop_clinic.accounts.models import AuditEvent

SHOWN, BOTH = " (shown below)", " (you changed it too)"

Texts = dict[str, list[str]]


def as_seen(row: Any, steps: Any) -> Any:
    """A copy of the row as it was before these steps of its trail; one statement."""
    was, fields = copy.copy(row), {one.column: one for one in row._meta.concrete_fields}
    changes = steps.filter(operation=AuditEvent.Operation.UPDATE)
    for event in changes.order_by("-at", "-id"):
        for column in (event.old or {}).keys() & fields.keys():
            field = fields[column]
            setattr(was, field.attname, field.to_python(event.old[column]))
    return was


def keep_up(data: QueryDict, saw: Any, now: Any) -> dict[str, str]:
    """Put the values of now where `data` has what the page showed; what to say of these fields.

    What both changed stays as it was sent. Hidden fields are for the page itself.
    """
    notes = {}
    for name in _to_compare(saw, now):
        was, new = as_sent(saw[name]), as_sent(now[name])
        sent = {key: data.getlist(key) for key in was}
        if _same(was, new):
            continue
        if not (_same(sent, was) or _same(sent, new)):
            notes[name] = BOTH
            continue
        notes[name] = SHOWN
        for key, texts in new.items():
            data.setlist(key, texts) if texts else data.pop(key, None)
    return notes


def _to_compare(saw: Any, now: Any) -> Collection[str]:
    return [
        name
        for name, field in saw.fields.items()
        if name in now.fields and not field.widget.is_hidden
    ]


def as_sent(bound: Any) -> Texts:
    """What a browser sends of a field that nobody touches; of an empty box nothing."""
    name, widget, value = bound.html_name, bound.field.widget, bound.value()
    if not isinstance(widget, MultiWidget):
        return {name: _texts(widget, value)}
    parts: Any = value if isinstance(value, list | tuple) else widget.decompress(value)
    suffixes: Any = widget.widgets_names  # type: ignore[attr-defined]  # missing in stubs
    boxes = zip(suffixes, widget.widgets, parts, strict=True)
    return {name + suffix: _texts(one, part) for suffix, one, part in boxes}


def _texts(widget: Widget, value: Any) -> list[str]:
    if isinstance(widget, CheckboxInput):
        return ["on"] if widget.check_test(value) else []
    said: Any = widget.format_value(value)  # a list of the choices taken
    return said if isinstance(said, list) else ["" if said is None else str(said)]


def _same(some: Texts, other: Texts) -> bool:
    """Spaces around a text are not stored, browsers end lines in their own way, empty is empty."""
    return all(_plain(texts) == _plain(other[key]) for key, texts in some.items())


def _plain(texts: list[str]) -> list[list[str]]:
    return sorted(lines for text in texts if (lines := text.strip().splitlines()))


def columns_of(model: type[Model], notes: dict[str, str]) -> dict[str, str]:
    """The same, said of the columns that the fields show."""
    columns = {one.name: one.column for one in model._meta.concrete_fields}
    return {columns[name]: note for name, note in notes.items() if name in columns}
