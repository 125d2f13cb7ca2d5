"""The cases of papers and places: found, compared and written apart from the patients' courses.

A night reads them for all its clinics at once, a few rows each; whoever changes a paper, a seat or
a stay reads those of one clinic; the correction of a roster leaves them alone. They need no course:
what is not found any more has gone, for a reason read with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

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
from attendance.models import AbsenceRule, Flag
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
    findings, stored = _looked_at(nights)
    changes = {
        clinic_id: _judge(night).compare(
            stored[clinic_id], _with_reasons(findings[clinic_id], stored[clinic_id])
        )
        for clinic_id, night in nights.items()
    }
    _write(changes.values())
    return changes


OF_AN_ADMISSION: tuple[Callable[[Nights], Iterator[Finding]], ...] = (
    first_session_findings,
    plan_findings,
    verification_findings,
    unauthorized_findings,
)
"""What is still to come when somebody has just been admitted."""


def due_after_admission(night: Night, episode: Episode) -> dict[int, str]:
    """What these rules say today of one episode, by rule, whether a case stands or not.

    One statement for each finder. A case of somebody admitted today opens in the night only.
    """
    nights = {night.settings.clinic_id: night}
    found = (one for finder in OF_AN_ADMISSION for one in finder(nights))
    return {one.key.rule: one.sentence for one in found if one.key.subject_id == episode.pk}


def correct_papers_and_places(night: Night) -> None:
    """The same for one clinic, in the transaction of a change to what they are judged from.

    Two who change papers of a clinic at once judge them one after the other: each sees what the
    other has written. Who was admitted after the judged date gets no new case yet: their papers
    are still being entered.
    """
    clinic_id = night.settings.clinic_id
    _take_turn(clinic_id)
    findings, stored = _looked_at({clinic_id: night})
    found = _without_intakes(findings[clinic_id], stored[clinic_id], night)
    found = _with_reasons(found, stored[clinic_id])
    _write([_judge(night).compare(stored[clinic_id], found)])


def _take_turn(clinic_id: int) -> None:
    """Wait at the clinic's rules of papers and places, which nobody else locks.

    After the episodes and the cases of their courses, and before the cases of papers.
    """
    rules = AbsenceRule.objects.filter(clinic=clinic_id, kind__in=PAPERS_AND_PLACES).order_by("pk")
    list(rules.select_for_update(no_key=True).values_list("pk", flat=True))


def _looked_at(
    nights: Nights,
) -> tuple[defaultdict[int, Findings], defaultdict[int, dict[CaseKey, Flag]]]:
    """What is found in each clinic, and the cases stored there."""
    findings: defaultdict[int, Findings] = defaultdict(Findings)
    for finder in FINDERS:
        for one in finder(nights):
            findings[one.clinic_id].add([one])
    keys = [key for found in findings.values() for key in found.by_key]
    return findings, _stored(nights, keys)


def _without_intakes(findings: Findings, stored: Mapping[CaseKey, Flag], night: Night) -> Findings:
    """Without what would open a case of somebody no night has looked at."""
    new = [
        key
        for key in findings.by_key
        if key not in stored and key.subject_type == Flag.Subject.EPISODE
    ]
    coming = Episode.objects.filter(
        pk__in={key.subject_id for key in new}, admitted_on__gt=night.through
    )
    left = set(coming.values_list("pk", flat=True)) if new else set()
    for key in new:
        if key.subject_id in left:
            del findings.by_key[key]
    return findings


def _write(changes: Iterable[Changes]) -> None:
    """At most two statements. A case that somebody else has just opened is left to them: a night
    and a change of papers may find the same one at the same moment."""
    together = Changes()
    for one in changes:
        together.take(one)
    opened, together.opened = together.opened, []
    if opened:
        Flag.objects.bulk_create(opened, ignore_conflicts=True)
    together.write()


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
