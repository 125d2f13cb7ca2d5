"""The cases of papers and places: found, compared and written apart from the patients' courses.

A night reads them for all its clinics at once, a few rows each; the correction of a roster leaves
them alone. They need no course: what is not found any more has gone, for a reason read with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from django.db.models import Exists, OuterRef, Q

from attendance.compliance.casebook import Changes, Judge, key_of
from attendance.compliance.finders.authorizations import (
    OVER,
    authorization_findings,
    unauthorized_findings,
)
from attendance.compliance.finders.papers import (
    age_findings,
    certification_findings,
    first_session_findings,
    plan_findings,
    verification_findings,
)
from attendance.compliance.finders.places import (
    caseload_findings,
    group_findings,
    license_findings,
)
from attendance.compliance.finders.timetables import timetable_findings
from attendance.compliance.finders.treatment import on
from attendance.compliance.findings import (
    PAPERS_AND_PLACES,
    CaseKey,
    Finding,
    Findings,
    Night,
    Nights,
)
from attendance.models import Flag
from patients.models import Episode, EpisodeHold

FINDERS: tuple[Callable[[Nights], Iterator[Finding]], ...] = (
    first_session_findings,
    plan_findings,
    verification_findings,
    authorization_findings,
    unauthorized_findings,
    certification_findings,
    license_findings,
    caseload_findings,
    group_findings,
    timetable_findings,
    age_findings,
)


def judge_papers_and_places(nights: Nights) -> dict[int, Changes]:
    """What changes in each clinic, already written.

    One statement for each finder and one more where rows need a closer look (days used, a short
    timetable), one for the stored cases, at most two to write: for any number of clinics and
    patients.
    """
    findings: defaultdict[int, Findings] = defaultdict(Findings)
    for finder in FINDERS:
        for one in finder(nights):
            findings[one.clinic_id].add([one])
    stored = _stored(nights, [key for found in findings.values() for key in found.by_key])
    changes = {
        clinic_id: _judge(night).compare(stored[clinic_id], _with_reasons(found, stored[clinic_id]))
        for clinic_id, night in nights.items()
        for found in [findings[clinic_id]]
    }
    together = Changes()
    for of_clinic in changes.values():
        together.take(of_clinic)
    together.write()
    return changes


def _judge(night: Night) -> Judge:
    return Judge(night.settings, {}, night.through, night.today, night.now, {})


def _stored(nights: Nights, found: Iterable[CaseKey]) -> defaultdict[int, dict[CaseKey, Flag]]:
    """Open cases, and those of the evidence found, however old; locked in order of key."""
    keys = list(found)
    evidence = Q(
        subject_id__in={key.subject_id for key in keys},
        evidence_key__in={key.evidence_key for key in keys},
    )
    unsettled = ~Q(state__in=[Flag.State.CLOSED, Flag.State.LAPSED])
    today = next(iter(nights.values())).today
    held = EpisodeHold.objects.filter(
        on(today), clinic=OuterRef("clinic"), episode=OuterRef("episode")
    )
    rows = (
        Flag.objects.filter(unsettled | evidence, clinic__in=nights, rule__in=PAPERS_AND_PLACES)
        .annotate(held=Exists(held))
        .select_related("episode__patient")
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )
    by_clinic: defaultdict[int, dict[CaseKey, Flag]] = defaultdict(dict)
    for flag in rows:
        by_clinic[flag.clinic_id][key_of(flag)] = flag
    return by_clinic


def _with_reasons(findings: Findings, stored: dict[CaseKey, Flag]) -> Findings:
    """Why a case has gone that no paper has settled: the patient is away, or has left, or a louder
    case about the same paper takes its place."""
    for key, flag in stored.items():
        if flag.is_open and key not in findings.by_key and (reason := _reason(flag, findings)):
            findings.gone[key] = reason
    return findings


def _reason(flag: Flag, findings: Findings) -> str:
    if flag.episode is None:
        return ""
    key = key_of(flag)
    if key._replace(evidence_key=key.evidence_key + OVER) in findings.by_key:
        return "The authorization has ended or is used up: that is a case of its own."
    if flag.episode.patient.deceased_on is not None:
        return "The patient died."
    if flag.episode.state == Episode.State.DISCHARGED:
        return "The patient was discharged."
    return "The patient is on hold." if getattr(flag, "held", False) else ""
