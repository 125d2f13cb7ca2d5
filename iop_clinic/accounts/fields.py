from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import ForeignKey


class ClinicForeignKey(ForeignKey):
    """A key to a row of the same clinic.

    The database constraint is the composite one of `SameClinic`, declared in the model's Meta;
    Django's own single-column constraint and index would only double it.
    """

    def __init__(self, to: Any, on_delete: Any = models.PROTECT, **kwargs: Any) -> None:
        kwargs.setdefault("db_constraint", False)
        kwargs.setdefault("db_index", False)
        super().__init__(to, on_delete, **kwargs)
