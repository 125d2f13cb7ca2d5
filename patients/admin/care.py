"""The services these pages call for what weeks are judged from.

The floor that judges puts its own in their place: they write the same and judge again.
"""

from __future__ import annotations

from collections.abc import Callable

from patients import services
from patients.models import (
    Authorization,
    Certification,
    CourtReferral,
    Coverage,
    Episode,
    Patient,
    TreatmentPlan,
)


class Care:
    admit: Callable[..., Episode] = staticmethod(services.admit)
    edit_episode: Callable[..., Episode] = staticmethod(services.edit_episode)
    set_plan: Callable[..., TreatmentPlan] = staticmethod(services.set_plan)
    edit_plan: Callable[..., TreatmentPlan] = staticmethod(services.edit_plan)
    authorize: Callable[..., Authorization] = staticmethod(services.authorize)
    edit_authorization: Callable[..., Authorization] = staticmethod(services.edit_authorization)
    certify: Callable[..., Certification] = staticmethod(services.certify)
    edit_certification: Callable[..., Certification] = staticmethod(services.edit_certification)
    mandate: Callable[..., CourtReferral] = staticmethod(services.mandate)
    add_coverage: Callable[..., Coverage] = staticmethod(services.add_coverage)
    edit_coverage: Callable[..., Coverage] = staticmethod(services.edit_coverage)
    save_patient: Callable[..., Patient] = staticmethod(services.save_patient)
