"""The one place that says which rows a person sees.

Every queryset that leaves an app passes `.visible_to(user)`. A role sees either the whole clinic or
only its own rows (`roles.OWN_ROWS_ONLY`); what "own" means is a *branch*, registered by the floor
that knows it. A model without a branch shows such a role nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db.models import DateField, DateTimeField, F, Func, Model, Q, QuerySet, Value
from django.db.models.functions import Cast

from iop_clinic.accounts.roles import OWN_ROWS_ONLY, PERMISSIONS, Can, Role

if TYPE_CHECKING:
    from iop_clinic.accounts.models import User

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a person works: their role by clinic, and the therapist rows that are theirs."""

    roles: dict[int, Role]
    therapist_ids: frozenset[int]

    @classmethod
    def of(cls, memberships: Iterable[tuple[int, str, int | None]]) -> Self:
        """From the clinic, role and therapist of the memberships that let somebody in."""
        rows = list(memberships)
        return cls(
            {clinic: Role(role) for clinic, role, _ in rows},
            frozenset(therapist for *_, therapist in rows if therapist),
        )

    def may(self, can: Can, clinic_id: int) -> bool:
        role = self.roles.get(clinic_id)
        return role is not None and can in PERMISSIONS[role]

    def sight(self, now: datetime) -> Sight:
        """What these roles show at a moment."""
        own = {clinic for clinic, role in self.roles.items() if role in OWN_ROWS_ONLY}
        return Sight(
            whole_clinics=tuple(clinic for clinic in self.roles if clinic not in own),
            own_rows_clinics=tuple(clinic for clinic in self.roles if clinic in own),
            therapist_ids=tuple(sorted(self.therapist_ids)),
            now=now,
        )


@dataclass(frozen=True, slots=True)
class Sight:
    """What a person sees: whole clinics, in others what is theirs as these therapists, and when."""

    whole_clinics: tuple[int, ...]
    own_rows_clinics: tuple[int, ...]
    therapist_ids: tuple[int, ...]
    now: datetime


Branch = Callable[[Sight], Q]
_branches: dict[str, list[Branch]] = defaultdict(list)


def own_rows(*labels: str) -> Callable[[Branch], Branch]:
    """Register what "own" means for the models named `app_label.Model`."""

    def register(branch: Branch) -> Branch:
        for label in labels:
            _branches[label.lower()].append(branch)
        return branch

    return register


def whole_clinic(_sight: Sight) -> Q:
    """The branch of tables that everybody in the clinic may see, such as rooms."""
    return ~Q(pk__in=[])


def visible(model: type[Model], sight: Sight) -> Q:
    """The condition that holds for the rows of `model` this person sees; clinic first."""
    seen = Q(clinic__in=sight.whole_clinics)
    if sight.own_rows_clinics:
        own = Q(pk__in=[])
        for branch in _branches.get(model._meta.label_lower, ()):
            own |= branch(sight)
        seen |= Q(clinic__in=sight.own_rows_clinics) & own
    return seen


def clinic_today(now: datetime) -> Cast:
    """The date on the wall calendar of each row's clinic, as an expression.

    A UTC date would be tomorrow's in the evening of a clinic west of Greenwich.
    """
    moment = Value(now, output_field=DateTimeField())
    wall_time = Func(F("clinic__zone"), moment, function="timezone", output_field=DateTimeField())
    return Cast(wall_time, DateField())


class ClinicQuerySet(QuerySet[M]):
    def visible_to(self, user: User) -> Self:
        """Rows this person may see; nothing for a person without a live membership."""
        return self.seen_by(user.sight)

    def seen_by(self, sight: Sight) -> Self:
        return self.filter(visible(self.model, sight))

    def in_clinic(self, clinic: Any) -> Self:
        return self.filter(clinic=clinic)


def labels(models: Iterable[type[Model]]) -> list[str]:
    """Models without any own-rows branch; the architecture test reads it."""
    return [m._meta.label for m in models if not _branches.get(m._meta.label_lower)]
