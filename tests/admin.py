"""A person at the admin site: opens pages, fills in forms, reads what the page answers."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize_input

from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.models import AuditEvent, Clinic, User
from iop_clinic.accounts.roles import Role
from tests import factories


@dataclass(frozen=True)
class Answer:
    """What came back from a form: the sentences of success, or the errors by field."""

    status: int
    sentences: list[str]
    errors: dict[str, list[str]]
    html: str
    location: str = ""

    @property
    def refusal(self) -> str:
        """The one sentence of a refusal."""
        assert self.status == 200, self.sentences
        (sentence,) = [message for messages in self.errors.values() for message in messages]
        return sentence


@dataclass(frozen=True)
class Ahead:
    """What a form said would change: its address, what to send to save it, the tables."""

    address: str
    data: dict[str, Any]
    panels: list[Panel]


@dataclass
class Desk:
    """One signed-in person."""

    user: User
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.client.force_login(self.user)

    def open(self, model: type[Model] | Model, page: str = "changelist", **query: Any) -> Any:
        return self.client.get(url(model, page), query)

    def fill(self, model: type[Model] | Model, page: str, **data: Any) -> Answer:
        """Open the page's form, change what `data` names, and send it."""
        address = url(model, page)
        shown = self.client.get(address)
        assert shown.status_code == 200, shown.status_code
        return self.send(address, {**filled(shown), **typed(data)})

    def look(self, model: type[Model] | Model, page: str, **data: Any) -> Ahead:
        """Fill in a form that first shows what would change."""
        address = url(model, page)
        given = {**filled(self.client.get(address)), **typed(data)}
        response = self.client.post(address, given)
        context = response.context
        return Ahead(address, {**given, "seen": context["seal"]}, context["ahead"])

    def save(self, ahead: Ahead) -> Answer:
        """Send what was looked at."""
        return self.send(ahead.address, ahead.data)

    def send(self, address: str, data: dict[str, Any]) -> Answer:
        response = self.client.post(address, data)
        form = _form(response)
        return Answer(
            status=response.status_code,
            sentences=[str(message) for message in get_messages(response.wsgi_request)],
            errors={} if form is None else {k: list(map(str, v)) for k, v in form.errors.items()},
            html=response.content.decode(),
            location=response.get("Location", ""),
        )


def desk(clinic: Clinic, role: Role = Role.COORDINATOR) -> Desk:
    return Desk(factories.staff(clinic, role))


def url(model: type[Model] | Model, page: str = "changelist") -> str:
    opts = model._meta
    arguments = [model.pk] if isinstance(model, Model) else []
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=arguments)


def _form(response: Any) -> Any:
    context = response.context
    if context is None:
        return None
    if "adminform" in context:
        return context["adminform"].form
    return context.get("form")


def filled(response: Any) -> dict[str, Any]:
    """What a browser would send if nothing was touched."""
    data: dict[str, Any] = {}
    for bound in _form(response):
        value = bound.value()
        if hasattr(bound.field.widget, "decompress"):
            with timezone.override(working_clinic(response.wsgi_request).tz):  # as it was shown
                parts = bound.field.widget.decompress(value)
            data |= {f"{bound.html_name}_{n}": _text(part) for n, part in enumerate(parts)}
        elif isinstance(value, list | tuple) and hasattr(bound.field, "coerce"):
            data[bound.html_name] = [str(one) for one in value]
        elif value is True:
            data[bound.html_name] = "on"
        elif value is not None and value is not False:
            data[bound.html_name] = _text(bound.field.prepare_value(value))
    return data


def _text(value: Any) -> str:
    """Days and times as a box of the site writes them."""
    if type(value) is datetime.date or isinstance(value, datetime.time):
        return str(localize_input(value))
    return "" if value is None else str(value)


def typed(data: dict[str, Any]) -> dict[str, Any]:
    """Values as a browser sends them: rows by their key, "date time" into its two boxes."""
    sent: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Model):
            sent[name] = str(value.pk)
        elif isinstance(value, tuple):
            sent |= {f"{name}_{n}": str(part) for n, part in enumerate(value)}
        else:
            sent[name] = value if isinstance(value, list) else _text(value)
    return sent


def written() -> int:
    """How many writes the audit trail holds."""
    return AuditEvent.objects.exclude(operation="R").count()


def actors(row: Model, operation: str = "U") -> set[str]:
    """Who is named in the trail of a row for this operation (I, U, D, R), factories left out."""
    trail = AuditEvent.objects.filter(
        table_name=row._meta.db_table, row_id=row.pk, operation=operation
    ).exclude(actor__startswith="database:")
    return set(trail.values_list("actor", flat=True))
