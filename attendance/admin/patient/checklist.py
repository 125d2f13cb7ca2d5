"""From referral to a full place in the program, as steps that say what is missing.

Papers are asked for by the same function and in the same words as by `admit`; what follows the
admission is due when the clinic's dated rules say so.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from attendance.compliance.finders.papers import NEWLY_ADMITTED
from attendance.compliance.finders.treatment import on
from attendance.compliance.findings import Night
from attendance.compliance.papers_and_places import due_after_admission
from attendance.compliance.settings import clinic_settings
from attendance.models import AbsenceRule
from iop_clinic.accounts.admin.forms import ServiceForm
from iop_clinic.accounts.admin.panels import Panel, page_url
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import full_date
from patients import services
from patients.admin.people import CoverageForm
from patients.admin.verbs import (
    COMPLETE,
    AdmitForm,
    AgreementForm,
    AuthorizeForm,
    DiagnoseForm,
    EvaluateForm,
    PlanForm,
)
from patients.models import Coverage, Episode
from patients.services.episodes import PAPERS
from scheduling.admin.episodes import EnrolForm

Kind = AbsenceRule.Kind
DAY = datetime.timedelta(days=1)
FORMS: dict[str, type[ServiceForm]] = {
    "evaluation": EvaluateForm,
    "diagnosis": DiagnoseForm,
    "agreement": AgreementForm,
}


class Standing(StrEnum):
    DONE = "Done"
    MISSING = "Missing"
    DUE = "Due"
    NEXT = "Later"


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done, how it stands, what is said of it, and where it is done."""

    title: str
    standing: Standing
    said: str = ""
    url: str = ""

    @property
    def done(self) -> bool:
        return self.standing == Standing.DONE


@dataclass(frozen=True)
class Checklist(Panel):
    template: ClassVar[str] = "attendance/patient/checklist.html"
    steps: Sequence[Step] = ()


def checklist(row: Episode, user: User, now: datetime.datetime) -> Iterator[Checklist]:
    """For a referral; and after the admission for a month, while anything is open."""
    if row.state == Episode.State.REFERRED:
        yield Checklist("Steps to admission", steps=[*_papers(row, user), *_after(row, user, now)])
    elif row.state == Episode.State.ADMITTED and _is_new(row, now):
        steps = list(_after(row, user, now))
        if not all(step.done for step in steps):
            yield Checklist("After the admission", steps=steps)


def _is_new(row: Episode, now: datetime.datetime) -> bool:
    first = timezone.localdate(now) - NEWLY_ADMITTED
    return row.admitted_on is not None and row.admitted_on >= first


def _papers(row: Episode, user: User) -> Iterator[Step]:
    """What `admit` asks for, then the admission itself."""
    missing = services.missing_papers(row)
    for paper, words in PAPERS.items():
        title = words[:1].upper() + words[1:]
        if paper in missing:
            yield Step(title, Standing.MISSING, url=_url(FORMS[paper], row, user))
        else:
            yield Step(title, Standing.DONE)
    if row.patient.deceased_on is not None:
        yield Step("Admission", Standing.NEXT, "The patient has died.")
        return
    if missing:
        yield Step("Admission", Standing.NEXT, services.missing_said(missing))
    else:
        yield Step("Admission", Standing.DUE, COMPLETE, _url(AdmitForm, row, user))


def _after(row: Episode, user: User, now: datetime.datetime) -> Iterator[Step]:
    """Plan, insurance, authorization, group: facts, and which of them the rules want today."""
    due = _due(row, now)
    today = timezone.localdate(now)
    coming = Q(ends_on__isnull=True) | Q(ends_on__gte=today)
    plan = row.plans.filter(coming).order_by("starts_on").first()
    yield _step("Treatment plan", plan, due.get(Kind.PLAN_DUE, ""), _url(PlanForm, row, user))
    covered = list(row.patient.coverages.filter(on(today)).select_related("payer"))
    yield _insurance(row, covered, due.get(Kind.VERIFICATION_DUE, ""), user)
    yield _authorization(row, covered, due.get(Kind.AUTHORIZATION_ENDING, ""), user, today)
    seats = row.memberships.filter(coming).select_related("group").order_by("starts_on")
    seat = seats.first()
    held = f"{seat.group}, from {full_date(seat.starts_on)}" if seat else ""
    yield _step("Seat in a group", held, "", _url(EnrolForm, row, user))
    if Kind.NO_FIRST_SESSION in due:
        yield Step("First session", Standing.DUE, due[Kind.NO_FIRST_SESSION])


def _due(row: Episode, now: datetime.datetime) -> Mapping[int, str]:
    """What the dated rules say of an admitted patient; of a referral they say nothing."""
    if row.state == Episode.State.REFERRED:
        return {}
    night = Night(clinic_settings(row.clinic_id), timezone.localdate(now) - DAY, now)
    return due_after_admission(night, row)


def _step(title: str, fact: object, due: str, url: str) -> Step:
    if due:
        return Step(title, Standing.DUE, due, url)
    if fact:
        return Step(title, Standing.DONE, str(fact))
    return Step(title, Standing.NEXT, url=url)


def _insurance(row: Episode, covered: Sequence[Coverage], due: str, user: User) -> Step:
    waiting = [one for one in covered if one.verified_on is None]
    if not covered:
        url = _url(CoverageForm, row.patient, user)
        return Step("Insurance verified", Standing.NEXT, "No insurance in force is entered.", url)
    if not (due or waiting):
        said = "; ".join(f"{one.payer} on {full_date(one.verified_on)}" for one in covered
                         if one.verified_on)  # fmt: skip
        return Step("Insurance verified", Standing.DONE, said)
    may = user.may(CoverageForm.can, row.clinic_id)
    url = page_url((waiting or covered)[0]) if may else ""
    said = due or "; ".join(_waits(one) for one in waiting)
    return Step("Insurance verified", Standing.DUE if due else Standing.NEXT, said, url)


def _waits(one: Coverage) -> str:
    by = f" by {full_date(one.verification_due_on)}" if one.verification_due_on else ""
    return f"{one.payer}: to be verified{by}"


def _authorization(
    row: Episode, covered: Sequence[Coverage], due: str, user: User, today: datetime.date
) -> Step:
    title, url = "Authorization", _url(AuthorizeForm, row, user)
    known = row.authorizations.filter(ends_on__gte=today).select_related("payer")
    one = known.order_by("starts_on").first()
    if due or one:
        return _step(title, one, due, url)
    if not covered:
        return Step(title, Standing.NEXT, "As the payer asks: enter the insurance first.")
    asking = [str(cover.payer) for cover in covered if cover.payer.needs_authorization]
    if not asking:
        return Step(title, Standing.DONE, "No payer in force needs one.")
    return Step(title, Standing.NEXT, f"{', '.join(asking)} needs one.", url)


def _url(form: type[ServiceForm], row: Any, user: User) -> str:
    """The form that does it, once it can be done, for whoever may."""
    if not (form.offered(row) and user.may(form.can, row.clinic_id)):  # type: ignore[arg-type]
        return ""
    opts = row._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{form.path}", args=[row.pk])
