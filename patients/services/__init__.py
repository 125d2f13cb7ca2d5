"""Writes of this floor. Each locks the episode first, so that two writers take turns."""

from patients.services.coverage import (
    add_coverage,
    authorize,
    certify,
    edit_authorization,
    edit_certification,
    edit_coverage,
)
from patients.services.episodes import (
    admit,
    diagnose,
    discharge_reasons,
    edit_episode,
    evaluate,
    mandate,
    missing_papers,
    missing_said,
    refer,
    sign_agreement,
)
from patients.services.holds import next_hold, put_on_hold, resume, settle_holds
from patients.services.people import keep_apart, save_patient
from patients.services.plans import edit_plan, set_plan

__all__ = [
    "add_coverage",
    "admit",
    "authorize",
    "certify",
    "diagnose",
    "discharge_reasons",
    "edit_authorization",
    "edit_certification",
    "edit_coverage",
    "edit_episode",
    "edit_plan",
    "evaluate",
    "keep_apart",
    "mandate",
    "missing_papers",
    "missing_said",
    "next_hold",
    "put_on_hold",
    "refer",
    "resume",
    "save_patient",
    "set_plan",
    "settle_holds",
    "sign_agreement",
]
