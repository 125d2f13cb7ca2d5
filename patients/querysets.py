"""Reads of this floor, in clinic words."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Self

from django.db.models import Exists, OuterRef, Q

from iop_clinic.accounts.visibility import ClinicQuerySet

if TYPE_CHECKING:  # named as strings in the bases below, where a linter does not look
    from patients.models import Episode, Patient, TreatmentPlan  # noqa: F401


class PatientQuerySet(ClinicQuerySet["Patient"]):
    def matching(self, text: str) -> Self:
        """Patients whose name or record number begins with each word of `text`.

        A name may be written as it is shown: "Ruiz, Dana".
        """
        found = self
        for word in text.replace(",", " ").split()[:5]:
            found = found.filter(
                Q(last_name__istartswith=word)
                | Q(first_name__istartswith=word)
                | Q(preferred_name__istartswith=word)
                | Q(record_number__istartswith=word)
            )
        return found


class EpisodeQuerySet(ClinicQuerySet["Episode"]):
    def active_on(self, day: datetime.date) -> Self:
        """The census: admitted on or before `day` and not discharged before it."""
        return self.filter(
            Q(discharged_on__isnull=True) | Q(discharged_on__gte=day), admitted_on__lte=day
        )

    def on_hold_on(self, day: datetime.date) -> Self:
        holds = self.model._meta.get_field("holds").related_model
        return self.filter(
            Exists(
                holds._default_manager.filter(  # type: ignore[union-attr]
                    Q(ends_on__isnull=True) | Q(ends_on__gte=day),
                    clinic=OuterRef("clinic"),
                    episode=OuterRef("pk"),
                    starts_on__lte=day,
                )
            )
        )


class DatedQuerySet(ClinicQuerySet["TreatmentPlan"]):
    def in_force(self, day: datetime.date) -> Self:
        return self.filter(Q(ends_on__isnull=True) | Q(ends_on__gte=day), starts_on__lte=day)
