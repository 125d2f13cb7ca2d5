from patients.models.coverage import Authorization, Certification, Coverage, Payer
from patients.models.episodes import (
    AgeBracket,
    CourtReferral,
    Diagnosis,
    Episode,
    EpisodeHold,
    Evaluation,
    Level,
    ProgramAgreement,
    TreatmentPlan,
)
from patients.models.people import KeepApart, Patient, Program, ReferralSource

__all__ = [
    "AgeBracket",
    "Authorization",
    "Certification",
    "CourtReferral",
    "Coverage",
    "Diagnosis",
    "Episode",
    "EpisodeHold",
    "Evaluation",
    "KeepApart",
    "Level",
    "Patient",
    "Payer",
    "Program",
    "ProgramAgreement",
    "ReferralSource",
    "TreatmentPlan",
]
