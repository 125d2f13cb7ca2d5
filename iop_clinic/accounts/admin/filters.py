"""Filters at the side of a list; their choices are rows of the working clinic."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import RelatedFieldListFilter

from iop_clinic.accounts.admin.working import working_clinic


class ClinicRelatedFilter(RelatedFieldListFilter):
    """A filter by a small table. Django's own would offer the rows of every clinic."""

    def field_choices(self, field: Any, request: Any, model_admin: Any) -> Any:
        rows = field.remote_field.model._default_manager.visible_to(request.user)
        return [(row.pk, str(row)) for row in rows.filter(clinic=working_clinic(request))]
