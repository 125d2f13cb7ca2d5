"""What "own rows" means for the tables of this floor (see iop_clinic/accounts/visibility.py).

An episode is a therapist's own when they are its primary therapist (the scheduling floor adds: or
when they lead a session or group of it); everything that hangs on an episode follows it.
"""

from django.db.models import Exists, OuterRef, Q

from iop_clinic.accounts.visibility import Sight, own_rows, visible, whole_clinic
from patients.models import Episode

own_rows("patients.Program", "patients.Payer", "patients.ReferralSource")(whole_clinic)


@own_rows("patients.Episode")
def on_my_caseload(sight: Sight) -> Q:
    return Q(primary_therapist__in=sight.therapist_ids)


@own_rows("patients.Patient")
def patient_of_my_episodes(sight: Sight) -> Q:
    return Q(Exists(Episode.objects.filter(visible(Episode, sight), patient=OuterRef("pk"))))


@own_rows("patients.Coverage")
def coverage_of_my_patients(sight: Sight) -> Q:
    return Q(Exists(Episode.objects.filter(visible(Episode, sight), patient=OuterRef("patient"))))


@own_rows(
    "patients.Evaluation",
    "patients.Diagnosis",
    "patients.ProgramAgreement",
    "patients.EpisodeHold",
    "patients.TreatmentPlan",
    "patients.CourtReferral",
    "patients.Authorization",
    "patients.Certification",
)
def of_my_episodes(sight: Sight) -> Q:
    return Q(Exists(Episode.objects.filter(visible(Episode, sight), pk=OuterRef("episode"))))
