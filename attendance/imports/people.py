"""Courses of treatment and what they stand on: episodes, papers, plans, authorizations, holds."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model

from attendance.imports.columns import Table, folded
from attendance.imports.intake import Draft, Intake
from attendance.imports.reading import Row
from attendance.imports.tables import (
    AUTHORIZATIONS,
    CERTIFICATIONS,
    COVERAGES,
    EPISODES,
    HOLDS,
    PLANS,
    STAFF,
)
from iop_clinic.accounts.models import License, Therapist
from patients.models import (
    AgeBracket,
    Authorization,
    Certification,
    CourtReferral,
    Coverage,
    Diagnosis,
    Episode,
    EpisodeHold,
    Evaluation,
    ProgramAgreement,
    ReferralSource,
    TreatmentPlan,
)
from patients.rules import NO_ADOLESCENT, OF_AGE, age_on, bracket_fits
from patients.services.episodes import ICD_10, discharge_reasons

State = Episode.State
PAPERS = ("evaluated_on", "diagnosis", "agreement_signed_on")
USUAL_MINUTES = 540
"""Years."""


def load_coverages(intake: Intake) -> None:
    stored = {
        (folded(row.patient.record_number), folded(row.payer.name), row.starts_on): row
        for row in Coverage.objects.filter(clinic=intake.clinic).select_related("patient", "payer")
    }
    drafts = [
        intake.draft(row, Coverage, patient=intake.named(row, "record_number"))
        for row in intake.rows(COVERAGES)
    ]
    intake.settle(COVERAGES, drafts, stored)


# --- episodes ------------------------------------------------------------------------------------


def load_episodes(intake: Intake) -> None:
    """Insert without an admission, then the papers, then admit: the database asks in that order."""
    stored = {}
    rows = Episode.objects.filter(clinic=intake.clinic).select_related("patient")
    for episode in rows.order_by("referred_on", "pk"):
        record = folded(episode.patient.record_number)
        intake.episodes[record].append(episode)
        stored[record, episode.referred_on] = episode
    licenses = list(License.objects.filter(clinic=intake.clinic).select_related("therapist"))
    sources = {folded(s.name): s for s in ReferralSource.objects.filter(clinic=intake.clinic)}
    drafts = [_draft(intake, row, sources) for row in intake.rows(EPISODES)]
    # A patient has one open referral at a time: those in treatment leave that state first.
    waiting = [d for d in drafts if d and d.instance.state == State.REFERRED]
    _settle_admitted(intake, [d for d in drafts if d and d not in waiting], stored, licenses)
    written = intake.settle(EPISODES, waiting, stored)
    _write_papers(intake, written, licenses)
    for draft in written:
        intake.episodes[draft.key[0]].append(draft.instance)


def _draft(intake: Intake, row: Row, sources: dict[Any, ReferralSource]) -> Draft | None:
    _check_dates(intake, row)
    patient = intake.named(row, "record_number")
    if row.bad:
        return None
    state = State.REFERRED
    if row["discharged_on"]:
        state = State.DISCHARGED
    elif row["admitted_on"]:
        state = State.ADMITTED
    return intake.draft(
        row, Episode, patient=patient, state=state, referral_source=_source(intake, row, sources)
    )


def _source(intake: Intake, row: Row, sources: dict[Any, ReferralSource]) -> ReferralSource | None:
    name = row["referral_source"]
    if name is None:
        return None
    if folded(name) not in sources:
        sources[folded(name)] = ReferralSource.objects.create(clinic=intake.clinic, name=name)
    return sources[folded(name)]


def _check_dates(intake: Intake, row: Row) -> None:
    if row["discharged_on"] and not row["discharge_reason"]:
        intake.refuse(row, "discharge_reason", "must be filled for a discharged episode")
    if row["discharge_reason"] and not row["discharged_on"]:
        intake.refuse(row, "discharged_on", "must be filled where a discharge reason is")
    fitting = discharge_reasons(admitted=bool(row["admitted_on"]))
    if row["discharge_reason"] and row["discharge_reason"] not in fitting:
        intake.refuse(row, "discharge_reason", _unfit(row, fitting))
    for paper in PAPERS:
        if row["admitted_on"] and not row[paper]:
            intake.refuse(row, paper, "must be filled for an admitted episode")
    if row["diagnosis"] and not ICD_10.fullmatch(row["diagnosis"].upper()):
        intake.refuse(row, "diagnosis", f"“{row['diagnosis']}” is not an ICD-10 code like F10.20")
    for name in ("admitted_on", "discharged_on"):
        if row[name] and row[name] > intake.today:
            intake.refuse(row, name, f"{row[name]} lies in the future")


def _unfit(row: Row, fitting: Iterable[str]) -> str:
    if row["admitted_on"]:
        return "not_admitted is for a referral that was never admitted"
    return f"must be {' or '.join(fitting)} for a referral that was never admitted"


def _settle_admitted(
    intake: Intake, drafts: list[Draft], stored: dict[Any, Episode], licenses: list[License]
) -> None:
    drafts = _apart(intake, drafts, stored)
    final = {}
    for draft in drafts:
        episode = draft.instance
        if draft.key in stored:
            continue
        final[id(episode)] = (episode.admitted_on, episode.state)
        episode.admitted_on = None
        if episode.state == State.ADMITTED:
            episode.state = State.REFERRED
    written = intake.settle(EPISODES, drafts, stored)
    written = _write_papers(intake, written, licenses)
    for draft in written:
        draft.instance.admitted_on, draft.instance.state = final[id(draft.instance)]
    admitted = intake.attempt(
        written, lambda rows: Episode.objects.bulk_update(rows, ["admitted_on", "state"])
    )
    for draft in admitted:
        intake.episodes[draft.key[0]].append(draft.instance)


def _apart(intake: Intake, drafts: list[Draft], stored: dict[Any, Episode]) -> list[Draft]:
    """The drafts, in the order of their admissions, that begin after every stay before them.

    The database would say it too, but of two open stays it first sees two open referrals.
    """
    stays: dict[int, list[Episode]] = defaultdict(list)
    for episode in stored.values():
        stays[episode.patient_id].append(episode)
    apart = []
    for draft in sorted(drafts, key=lambda d: d.row["admitted_on"] or datetime.date.min):
        new = draft.instance
        if draft.key not in stored:
            if any(_overlap(new, other) for other in stays[new.patient_id]):
                sentence = "the patient has another episode on these dates"
                intake.refuse(draft.row, "admitted_on", sentence)
                continue
            stays[new.patient_id].append(new)
        apart.append(draft)
    return apart


def _overlap(one: Episode, other: Episode) -> bool:
    if one.admitted_on is None or other.admitted_on is None:
        return False
    never = datetime.date.max
    return one.admitted_on <= (other.discharged_on or never) and other.admitted_on <= (
        one.discharged_on or never
    )


def _write_papers(intake: Intake, drafts: list[Draft], licenses: list[License]) -> list[Draft]:
    """The papers of these episodes; the episodes that have theirs."""
    papers: dict[type[Model], list[Draft]] = {}
    for draft in drafts:
        for paper in _papers(intake, draft, licenses):
            papers.setdefault(type(paper), []).append(Draft(draft.row, paper, draft.key))
    for kind in papers.values():
        intake.attempt(kind, lambda rows: type(rows[0])._default_manager.bulk_create(rows))
    return [draft for draft in drafts if not draft.row.bad]


def _papers(intake: Intake, draft: Draft, licenses: list[License]) -> Iterator[Model]:
    row, episode = draft.row, draft.instance
    same: dict[str, Any] = {"clinic": intake.clinic, "episode": episode}
    if row["court"]:
        day = row["admitted_on"] or row["referred_on"]
        yield CourtReferral(**same, court=row["court"], starts_on=day)
    day = row["diagnosed_on"] or row["evaluated_on"] or row["referred_on"]
    license_ = _license(licenses, episode.primary_therapist, day)
    if (row["diagnosis"] or row["evaluated_on"]) and license_ is None:
        if STAFF.name in intake.reading.broken or intake.bad_rows(STAFF):
            intake.doubt(row)  # theirs may be the license
            return
        intake.refuse(row, "diagnosis", f"no license of the staff allows a diagnosis on {day}")
        return
    if row["evaluated_on"] and license_:
        evaluator = episode.primary_therapist or license_.therapist
        yield Evaluation(**same, evaluated_on=row["evaluated_on"], evaluator=evaluator)
    if row["diagnosis"] and license_:
        yield Diagnosis(**same, code=row["diagnosis"].upper(), diagnosed_on=day, license=license_)
    if row["agreement_signed_on"]:
        minutes = _planned_minutes(intake, row)
        yield ProgramAgreement(**same, signed_on=row["agreement_signed_on"], weekly_minutes=minutes)


def _license(
    licenses: list[License], therapist: Therapist | None, day: datetime.date
) -> License | None:
    """A license that allows a diagnosis on the day: the primary therapist's, or a colleague's."""
    valid = [
        row
        for row in licenses
        if row.may_diagnose and row.expires_on >= day and (row.issued_on or day) <= day
    ]
    own = [row for row in valid if therapist is not None and row.therapist_id == therapist.pk]
    return next(iter(own + valid), None)


def _planned_minutes(intake: Intake, row: Row) -> int:
    """What the first plan of the stay asks for: the agreement is to these minutes."""
    record, first = folded(row["record_number"]), row["admitted_on"] or row["referred_on"]
    plans = [
        plan
        for plan in intake.reading.of(PLANS)
        if folded(plan["record_number"]) == record and not plan.bad and plan["starts_on"] >= first
    ]
    plans.sort(key=lambda plan: plan["starts_on"])
    return plans[0]["weekly_minutes"] if plans else USUAL_MINUTES


# --- what hangs on an episode --------------------------------------------------------------------


def load_papers(intake: Intake) -> None:
    """Plans, authorizations, certifications, holds: on the episode that covers their first day."""
    _load_dated(intake, PLANS, TreatmentPlan, until_discharge=True)
    _load_authorizations(intake)
    _load_dated(intake, CERTIFICATIONS, Certification, from_referral=True)
    _load_dated(intake, HOLDS, EpisodeHold, until_discharge=True)
    _pause(intake)


def _load_dated(
    intake: Intake,
    table: Table,
    model: Any,
    *,
    from_referral: bool = False,
    until_discharge: bool = False,
) -> None:
    first = table.key[-1]
    stored = {
        (folded(row.episode.patient.record_number), getattr(row, first)): row
        for row in model.objects.filter(clinic=intake.clinic).select_related("episode__patient")
    }
    drafts = []
    for row in intake.rows(table):
        if table is PLANS:
            _check_age(intake, row)
        episode = intake.episode_on(row, first, from_referral=from_referral)
        extra = {"ends_on": last_day(intake, row, episode)} if until_discharge else {}
        drafts.append(intake.draft(row, model, episode=episode, **extra))
    intake.settle(table, drafts, stored)


def _check_age(intake: Intake, row: Row) -> None:
    """Minors are treated as adolescents; older patients may be, if they are young."""
    patient = intake.named(row, "record_number")
    if patient is None:
        return
    age = age_on(patient.birth_date, row["starts_on"])
    if bracket_fits(row["age_bracket"], age):
        return
    if row["age_bracket"] == AgeBracket.ADULT:
        sentence = f"the patient is {age} on {row['starts_on']}; below {OF_AGE} it is adolescent"
        intake.refuse(row, "age_bracket", sentence)
    else:
        sentence = f"the patient is {age} on {row['starts_on']}; from {NO_ADOLESCENT} it is adult"
        intake.refuse(row, "age_bracket", sentence)


def last_day(
    intake: Intake, row: Row, episode: Episode | None, column: str = "ends_on"
) -> datetime.date | None:
    """What the row says, or else the discharge; a problem if it lasts longer than the episode."""
    day: datetime.date | None = row[column]
    left = episode.discharged_on if episode else None
    if left is not None and day is not None and day > left:
        intake.refuse(row, column, f"{day} lies after the discharge on {left}")
    return day or left


def _load_authorizations(intake: Intake) -> None:
    stored = {
        (folded(row.payer.name), folded(row.number)): row
        for row in Authorization.objects.filter(clinic=intake.clinic).select_related("payer")
    }
    drafts = []
    for row in intake.rows(AUTHORIZATIONS):
        episode = intake.episode_on(row, "starts_on", from_referral=True)
        drafts.append(intake.draft(row, Authorization, episode=episode))
    intake.settle(AUTHORIZATIONS, drafts, stored)


def _pause(intake: Intake) -> None:
    """An open episode whose hold covers today is on hold."""
    paused = [
        hold.episode
        for hold in intake.created[HOLDS.name]
        if hold.starts_on <= intake.today
        and (hold.ends_on is None or intake.today <= hold.ends_on)
        and hold.episode.state == State.ADMITTED
    ]
    for episode in paused:
        episode.state = State.ON_HOLD
    Episode.objects.bulk_update(paused, ["state"])
