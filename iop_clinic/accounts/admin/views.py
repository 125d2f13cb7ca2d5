"""One page for every verb: it shows a ServiceForm, calls its service and says what happened."""

from __future__ import annotations

import hashlib
from copy import copy
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import DateField, Field, Media, MultiValueField, TimeField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.generic import FormView
from unfold.views import UnfoldModelAdminViewMixin

from iop_clinic.accounts.acting import service
from iop_clinic.accounts.admin.forms import ServiceForm
from iop_clinic.accounts.admin.history import changed_since
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.admin.refusing import REFUSALS, refusal_of
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.models import User


def seal(shown: object) -> str:
    """A short form of what somebody looked at, to tell whether it is still so."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()


def sent(form: Any) -> list[tuple[str, list[str]]]:
    """What a person entered, without what the page adds for itself."""
    own = ("seen", "csrfmiddlewaretoken")
    return sorted((key, texts) for key, texts in form.data.lists() if key not in own)


def shown_at_first(field: Field, value: Any) -> Any:
    """A date of an address is written 2026-11-23 there, a time 14:00; boxes have their own way."""
    if not isinstance(field, DateField | TimeField):
        return value
    try:
        return field.to_python(value)
    except ValidationError:
        return value


class Named:
    """A row as the breadcrumb and the heading of a page say it."""

    def __init__(self, row: Any, name: str) -> None:
        self.pk, self._meta, self.name = row.pk, row._meta, name

    def __str__(self) -> str:
        return self.name


class ServiceView(UnfoldModelAdminViewMixin, FormView):
    """Not visible: 404. Visible but not allowed: 403. Refused: the form again, and why."""

    template_name = "admin/service_form.html"
    form_class: type[ServiceForm]
    row: Any = None

    def has_permission(self) -> bool:
        """Also to see the rows: who books, but does not see cases, books nothing for a case."""
        sees = self.row is None or self.model_admin.has_view_permission(self.request)
        return sees and self.model_admin.may(self.request, self.form_class.can)

    def handle_no_permission(self) -> Any:
        raise PermissionDenied

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        self.request = request
        if "object_id" in kwargs:
            self.row = self.model_admin.get_object(request, str(kwargs["object_id"]))
            if self.row is None:
                raise Http404
        return super().dispatch(request, *args, **kwargs)

    @property
    def title(self) -> str:
        return self.form_class.title

    def get_initial(self) -> dict[str, Any]:
        """First values may be named in the address, as Django's own add pages allow; but none of a
        field in two boxes, which shows an instant and no text."""
        own = self.form_class.base_fields.items()
        fields = {key: one for key, one in own if not isinstance(one, MultiValueField)}
        asked = self.request.GET
        given = {key: shown_at_first(fields[key], asked[key]) for key in asked if key in fields}
        return super().get_initial() | given

    def get_form_kwargs(self) -> dict[str, Any]:
        user = self.request.user
        return super().get_form_kwargs() | {
            "row": self.row,
            "clinic": working_clinic(self.request),
            "user": user,
        }

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """What others changed meanwhile is told first, whatever else is wrong."""
        form = self.get_form()
        valid = form.is_valid()
        if self.row is not None and (refused := changed_since(self.row, form.seen_step)):
            self._refuse(form, refused)
            return self.form_invalid(form)
        return self.form_valid(form) if valid else self.form_invalid(form)

    def form_valid(self, form: ServiceForm) -> HttpResponse:
        try:
            if told := self.told_ahead(form):
                return told
            sentence = form.run() if self.row is None else self._run_alone(form, by=form.user)
        except REFUSALS as error:
            self._refuse(form, error)
            return self.form_invalid(form)
        messages.success(self.request, sentence)
        goes_on = form.next_url() or self._row_url()
        if once := form.shown_once():
            shown = self.get_context_data(form=form, once=once, cancel_url=goes_on)
            return self.render_to_response(shown)
        return HttpResponseRedirect(goes_on)

    @service
    def _run_alone(self, form: ServiceForm, *, by: User) -> str:
        """Nobody else saves a form of this row until it is done. After a deadlock it is done once
        more, to the row as it was: the first time may have changed it, or taken it away."""
        form.row = copy(self.row)
        self.model_admin.hold(self.request, form.row)
        if refused := changed_since(form.row, form.seen_step):
            raise refused
        return form.run()

    def told_ahead(self, form: ServiceForm) -> HttpResponse | None:
        """What would change; None where nothing would, or where it was seen as it is."""
        ahead = list(form.ahead()) if form.looks_ahead else []
        if not ahead or form.data.get("seen") == (now := self._seal(form, ahead)):
            return None
        return self.render_to_response(self.get_context_data(form=form, ahead=ahead, seal=now))

    def _seal(self, form: ServiceForm, ahead: list[Panel]) -> str:
        """What was sent and shown, in short: where either differs it is looked at again."""
        return seal([sent(form), ahead])

    def _refuse(self, form: ServiceForm, error: Exception) -> None:
        """The page shows the row as it is, not what was tried with a copy of it."""
        refused = refusal_of(error)
        form.row = self.row
        if refused.code == "stale_version" and self.row is not None:
            now = self.model_admin.get_object(self.request, str(self.row.pk))
            if now is None:  # taken away by somebody else meanwhile
                raise Http404
            form.tell_changes(now, refused)
        form.refuse(refused)

    def _row_url(self) -> str:
        opts = self.model_admin.opts
        name = f"admin:{opts.app_label}_{opts.model_name}"
        if not self._leads_back():
            return reverse("admin:index")
        if self.row is None:
            return reverse(f"{name}_changelist")
        return reverse(f"{name}_change", args=[self.row.pk])

    def _leads_back(self) -> bool:
        """Whether this person may open the list that the page belongs to."""
        return self.row is not None or self.model_admin.has_view_permission(self.request)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        media = Media(js=["admin/js/core.js"]) + context["form"].media
        if not self._leads_back():  # nor does the breadcrumb
            context |= {"model_admin": None, "content_title": self.title}
        return context | {
            "opts": self.model_admin.opts if self._leads_back() else None,
            "original": self.row and Named(self.row, self.model_admin.called(self.row)),
            "media": media,
            "cancel_url": kwargs.get("cancel_url") or self._row_url(),
        }
