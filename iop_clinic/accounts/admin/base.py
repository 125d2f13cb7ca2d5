"""What every admin page of the product has in common.

A page shows the rows of the clinic a person works in that they may see; a row they may not see does
not exist for them (404). Writes call a service, or save the row as the person, and what is refused
becomes a sentence at the form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.db import connection
from django.db.models import DateField, DateTimeField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from unfold.admin import ModelAdmin

from iop_clinic.accounts.acting import service
from iop_clinic.accounts.admin.forms import (
    ClinicModelForm,
    FoundSelect,
    ServiceForm,
    is_key,
    validate_date,
)
from iop_clinic.accounts.admin.history import changed_since, history, last_step, take_turns
from iop_clinic.accounts.admin.panels import Panel, page_url
from iop_clinic.accounts.admin.refusing import REFUSALS, refusal_of
from iop_clinic.accounts.admin.searching import term_of, without_term
from iop_clinic.accounts.admin.views import Named, ServiceView
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.editing import check_version
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can

MOST_VERBS, FIRST_VERBS = 9, 6
"""Of more verbs than fit in sight only the first are shown at once; the rare ones come last."""


class ClinicModelAdmin(ModelAdmin):
    """Rows of one clinic. `view`, `add` and `change` name the permission; None: nobody may.

    `verbs` are the forms that call a service for one row, `list_verbs` those without a row.
    `related` is what the rows' names need, on lists and in search boxes alike.
    """

    form = ClinicModelForm
    view: Can
    add: Can | None = None
    change: Can | None = None
    verbs: tuple[type[ServiceForm], ...] = ()
    list_verbs: tuple[type[ServiceForm], ...] = ()
    more_panels: tuple[Callable[[Any, Any], Iterable[Panel]], ...] = ()
    tellers: tuple[Callable[[Any, Sequence[Any]], None], ...] = ()
    related: tuple[str, ...] = ()
    panels_first = False
    reads_are_noted = False
    fixed_fields: tuple[str, ...] = ()
    next_step = ""
    actions = None
    list_per_page = 50
    empty_value_display = mark_safe('<span class="clinic-none">–</span>')  # cards leave it out
    show_full_result_count = False
    show_facets = False  # one COUNT for each choice otherwise
    compressed_fields = True
    warn_unsaved_form = True

    @classmethod
    def offer(cls, *forms: type[ServiceForm]) -> None:
        """Add verbs of a higher floor to the rows' pages, in the order of their `order`.

        One with the path of a verb that is there takes its place."""
        paths = {form.path for form in forms}
        kept = [form for form in cls.verbs if form.path not in paths]
        cls.verbs = tuple(sorted((*kept, *forms), key=lambda form: form.order))

    @classmethod
    def show(cls, panels: Callable[[Any, Any], Iterable[Panel]]) -> None:
        """Add tables of a higher floor under the rows' forms."""
        cls.more_panels = (*cls.more_panels, panels)

    @classmethod
    def tell(cls, teller: Callable[[Any, Sequence[Any]], None]) -> None:
        """Let a function set on the rows of one page of the list what its columns show."""
        cls.tellers = (*cls.tellers, teller)

    # --- which rows --------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = self.model._default_manager.visible_to(request.user)
        rows = rows.filter(clinic=working_clinic(request)).select_related(*self.related)
        return rows.order_by(*self.get_ordering(request) or self.model._meta.ordering)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Names are found as they are shown, "Last, First". A NUL finds none."""
        search_term = term_of(request, search_term)
        if "\0" in search_term:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term.replace(",", " "))

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """With its newest step, read first: what is shown is never older than it claims to be."""
        step = self._last_step(request, object_id) if is_key(str(object_id)) else 0
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.last_step = step
        return row

    def _last_step(self, request: Any, key: Any) -> int:
        return last_step(self.model, request.user.working_clinic_id, key)

    def hold(self, request: Any, row: Any) -> None:
        """From here on nobody else saves a form of the row; inside the transaction of a save."""
        take_turns(row)
        row.last_step = self._last_step(request, row.pk)

    def _get_obj_does_not_exist_redirect(self, request: Any, opts: Any, object_id: str) -> Any:
        raise Http404

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        rows = db_field.remote_field.model._default_manager
        if hasattr(rows, "visible_to"):
            rows = rows.visible_to(request.user).filter(clinic=working_clinic(request))
            kwargs["queryset"] = rows
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = FoundSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(db_field, DateTimeField):
            field.help_text = f"{field.help_text} {working_clinic(request).zone} time.".strip()
        if field is not None and isinstance(db_field, DateField):  # instants are dates too
            field.validators.append(validate_date)
        if field is not None and hasattr(field.widget, "can_add_related"):
            # What is missing is entered on its own page: a pop-up would skip its service.
            field.widget.can_add_related = field.widget.can_change_related = False
            field.widget.can_delete_related = field.widget.can_view_related = False
        return field

    # --- who may -----------------------------------------------------------------------------

    def may(self, request: Any, can: Can | str | None) -> bool:
        clinic = request.user.working_clinic_id
        return can is not None and clinic is not None and request.user.may(Can(can), clinic)

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        return self.may(request, self.view)

    def has_add_permission(self, request: Any) -> bool:
        return self.may(request, self.view) and self.may(request, self.add)

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return self.may(request, self.view) and self.may(request, self.change)

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False  # rows end, or are withdrawn; what happened stays

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        fixed = self.fixed_fields if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    # --- writing -----------------------------------------------------------------------------

    def enter(self, clinic: Clinic, facts: dict[str, Any], row: Any, by: User) -> Any:
        """Enter a new row; overridden where a service does."""
        row.save()
        return row

    def edit(self, row: Any, facts: dict[str, Any], version: int | None, by: User) -> None:
        """Change a row as it is stored; overridden where a service does.

        All its columns are written: it is read when it is held, or what a service has written in
        between would be lost.
        """
        row = type(row)._default_manager.select_for_update(no_key=True).get(pk=row.pk)
        if hasattr(row, "version"):
            check_version(row, version)
            row.version += 1
        for name, value in facts.items():
            setattr(row, name, value)
        row.save()

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        given = {
            "clinic_id": working_clinic(request).pk,
            "refused": getattr(request, "refused", None),
        }
        return type(form.__name__, (form,), given)

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        facts = {name: value for name, value in form.cleaned_data.items() if name != "version"}
        if not change:
            row = self.enter(working_clinic(request), facts, obj, request.user)
            obj.pk, obj._state.adding = row.pk, False
        elif changed := {name: facts[name] for name in form.changed_data if name in facts}:
            self.hold(request, obj)
            if refused := changed_since(obj, form.seen_step):
                raise refused
            stored = self.model._default_manager.get(pk=obj.pk)
            self.edit(stored, changed, form.cleaned_data.get("version"), request.user)
        with connection.cursor() as cursor:  # before anybody is told that it is saved
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def changeform_view(
        self,
        request: Any,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """A POST runs as the person, in one transaction; refused, it shows the input again."""
        show = super().changeform_view
        if request.method != "POST":
            return show(request, object_id, form_url, extra_context)

        @service
        def post(*, by: User) -> Any:
            return show(request, object_id, form_url, extra_context)

        try:
            return post(by=request.user)
        except REFUSALS as error:
            request.refused = refusal_of(error)
        return show(request, object_id, form_url, extra_context)

    def response_add(self, request: Any, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        response = super().response_add(request, obj, post_url_continue)
        if self.next_step:
            messages.info(request, self.next_step)
        return response

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """To the new row's page where its next step is taken, such as a patient's referral."""
        if self.verbs:
            return HttpResponseRedirect(page_url(obj))
        return super().response_post_save_add(request, obj)

    # Django's own log would copy patients' names into a table that nobody audits.

    def log_addition(self, request: Any, obj: Any, message: Any) -> None:
        """The audit trigger has written it."""

    def log_change(self, request: Any, obj: Any, message: Any) -> None:
        """The audit trigger has written it."""

    # --- pages -------------------------------------------------------------------------------

    def called(self, row: Any) -> str:
        """Whom or what the pages of a row are about, where its own name does not say it."""
        return str(row)

    def panels(self, request: Any, row: Any) -> Iterable[Panel]:
        """The tables under the form of one row."""
        return ()

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        pages = [
            path(
                f"{'<int:object_id>/' if form.wants_row else ''}{form.path}/",
                self.admin_site.admin_view(
                    (form.page or ServiceView).as_view(model_admin=self, form_class=form)
                ),
                name=f"{name}_{form.path}",
            )
            for form in (*self.verbs, *self.list_verbs)
        ]
        return pages + super().get_urls()

    def _buttons(self, request: Any, forms: Iterable[Any], row: Any = None) -> list[dict[str, Any]]:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        arguments = [row.pk] if row is not None else []
        return [
            {
                "title": form.title,
                "path": reverse(f"{name}_{form.path}", args=arguments),
                "danger": form.danger,
            }
            for form in sorted(forms, key=lambda form: form.rank(row))
            if self.may(request, form.can)
            and form.concerns(request.user)
            and (row is None or form.offered(row))
        ]

    def get_changelist_instance(self, request: Any) -> Any:
        """What the columns tell of other tables is read once, for the rows of the page together."""
        shown = super().get_changelist_instance(request)
        shown.result_list = list(shown.result_list)
        shown.query = term_of(request, shown.query)  # what the search box shows
        shown.title = capfirst(self.opts.verbose_name_plural)  # of several tabs, which this is
        for teller in self.tellers:
            teller(request, shown.result_list)
        return shown

    def changelist_view(self, request: Any, extra_context: Any = None) -> Any:
        if self.has_view_permission(request) and (searched := without_term(request)):
            return searched
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            response.context_data["actions_list"] = self._buttons(request, self.list_verbs)
        return response

    def render_change_form(
        self, request: Any, context: Any, add: bool = False, change: bool = False,
        form_url: str = "", obj: Any = None,
    ) -> Any:  # fmt: skip
        if obj is not None:
            if self.reads_are_noted and request.method == "GET":
                note_read(obj, by=request.user)
            verbs = self._buttons(request, self.verbs, obj)
            some = FIRST_VERBS if len(verbs) > MOST_VERBS else len(verbs)
            context["verbs"] = verbs
            context["first_verbs"], context["more_verbs"] = verbs[:some], verbs[some:]
            more = reversed(self.more_panels)  # the highest floor tells what matters most
            above = [panel for tell in more for panel in tell(request, obj)]
            own = list(self.panels(request, obj))
            context["panels_above"] = above + own if self.panels_first else above
            context["panels_below"] = [] if self.panels_first else own
            context["show_history"] = self.may(request, Can.VIEW_AUDIT)
            context["subtitle"] = self.called(obj)
            context["original"] = Named(obj, context["subtitle"])
        if context["adminform"].form.errors.keys() <= {NON_FIELD_ERRORS}:
            context["errors"] = ()  # "correct the errors below" is said of fields
        context["show_save_and_add_another"] = False
        return super().render_change_form(request, context, add, change, form_url, obj)

    def history_view(self, request: Any, object_id: str, extra_context: Any = None) -> Any:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not (self.has_view_permission(request, row) and self.may(request, Can.VIEW_AUDIT)):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "History",
            "subtitle": self.called(row),
            "opts": self.opts,
            "original": Named(row, self.called(row)),
            "steps": history(row),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/audit_history.html", context)
