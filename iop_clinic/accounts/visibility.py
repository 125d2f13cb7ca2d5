"""The one place that says which rows a person sees.

Every queryset that leaves an app passes `.visible_to(user)`. A role sees either the whole clinic or
only its own rows (`roles.OWN_ROWS_ONLY`); what "own" means is a *branch*, registered by the floor
that knows it. A model without a branch shows such a role nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db.models import DateField, DateTimeField, F, Func, Model, Q, QuerySet, Value
from django.db.models.functions import Cast
from django.utils import timezone

from iop_clinic.accounts.roles import OWN_ROWS_ONLY, PERMISSIONS, Can, Role

if TYPE_CHECKING:
    from iop_clinic.accounts.models import User

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a person works: their role by clinic, and the therapist rows that are theirs."""

    roles: dict[int, Role]
    therapist_ids: frozenset[int]

    def may(self, can: Can, clinic_id: int) -> bool:
        role = self.roles.get(clinic_id)
        return role is not None and can in PERMISSIONS[role]

    @property
    def whole_clinics(self) -> list[int]:
        return [clinic for clinic, role in self.roles.items() if role not in OWN_ROWS_ONLY]

    @property
    def own_rows_clinics(self) -> list[int]:
        return [clinic for clinic, role in self.roles.items() if role in OWN_ROWS_ONLY]


Branch = Callable[[Scope], Q]
_branches: dict[str, list[Branch]] = defaultdict(list)


def own_rows(*labels: str) -> Callable[[Branch], Branch]:
    """Register what "own" means for the models named `app_label.Model`."""

    def register(branch: Branch) -> Branch:
        for label in labels:
            _branches[label.lower()].append(branch)
        return branch

    return register


def whole_clinic(_scope: Scope) -> Q:
    """The branch of tables that everybody in the clinic may see, such as rooms."""
    return ~Q(pk__in=[])


def visible(model: type[Model], scope: Scope) -> Q:
    """The condition that holds for the rows of `model` this person sees; clinic first."""
    seen = Q(clinic__in=scope.whole_clinics)
    if scope.own_rows_clinics:
        own = Q(pk__in=[])
        for branch in _branches.get(model._meta.label_lower, ()):
            own |= branch(scope)
        seen |= Q(clinic__in=scope.own_rows_clinics) & own
    return seen


def clinic_today() -> Cast:
    """Today on the wall calendar of each row's clinic, as an expression.

    A UTC date would be tomorrow's in the evening of a clinic west of Greenwich.
    """
    now = Value(timezone.now(), output_field=DateTimeField())
    wall_time = Func(F("clinic__zone"), now, function="timezone", output_field=DateTimeField())
    return Cast(wall_time, DateField())


class ClinicQuerySet(QuerySet[M]):
    def visible_to(self, user: User) -> Self:
        """Rows this person may see; nothing for a person without a live membership."""
        return self.filter(visible(self.model, user.scope))

    def in_clinic(self, clinic: Any) -> Self:
        return self.filter(clinic=clinic)


def labels(models: Iterable[type[Model]]) -> list[str]:
    """Models without any own-rows branch; the architecture test reads it."""
    return [m._meta.label for m in models if not _branches.get(m._meta.label_lower)]
