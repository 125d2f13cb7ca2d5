"""Every named rule of this floor, broken by raw SQL."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from patients import models as patients
from tests import factories
from tests.breaking import delete, drop, insert_copy, named_constraints, refused_by, update

DAY = datetime.date(2026, 3, 2)
NEXT, BEFORE = DAY + datetime.timedelta(1), DAY - datetime.timedelta(1)


@pytest.fixture
def rows(db) -> SimpleNamespace:
    """An admitted patient with one row in every table, and an open referral of another."""
    clinic = factories.ClinicFactory()
    episode = factories.admitted(clinic, on=DAY)
    same: dict[str, Any] = {"clinic": clinic, "episode": episode}
    payer = factories.PayerFactory(clinic=clinic)
    referral = factories.EpisodeFactory(patient__clinic=clinic)
    return SimpleNamespace(
        program=episode.program,
        source=patients.ReferralSource.objects.create(clinic=clinic, name="Mercy"),
        payer=payer,
        patient=episode.patient,
        episode=episode,
        referral=referral,
        pair=patients.KeepApart.objects.create(
            clinic=clinic, patient=episode.patient, other=referral.patient
        ),
        coverage=patients.Coverage.objects.create(
            clinic=clinic, patient=episode.patient, payer=payer, starts_on=DAY
        ),
        authorization=patients.Authorization.objects.create(
            **same, payer=payer, number="A1", units=12, starts_on=DAY, ends_on=NEXT
        ),
        certification=patients.Certification.objects.create(
            **same, certified_on=DAY, due_again_on=NEXT
        ),
        hold=patients.EpisodeHold.objects.create(**same, reason="leave", starts_on=DAY),
        plan=episode.plans.get(),
        evaluation=episode.evaluations.get(),
        diagnosis=episode.diagnoses.get(),
        agreement=episode.agreements.get(),
    )


def admit_twice(rows: SimpleNamespace) -> None:
    """The documented referral becomes a second episode of the admitted patient."""
    factories.document(rows.referral, DAY)
    update(rows.referral, patient_id=rows.patient.pk, state="admitted", admitted_on=NEXT)


CASES: dict[str, Callable[[Any], None]] = {
    "program_name_unique": lambda r: insert_copy(r.program, name=r.program.name.upper()),
    "referralsource_name_unique": lambda r: insert_copy(r.source, name="MERCY"),
    "payer_name_unique": lambda r: insert_copy(r.payer, name=r.payer.name.upper()),
    "patient_record_number_unique": lambda r: insert_copy(r.patient, first_name="Twin"),
    "patient_record_number_given": lambda r: update(r.patient, record_number=""),
    "patient_born_1900_or_later": lambda r: update(r.patient, birth_date="1899-12-31"),
    "keepapart_lower_id_first": lambda r: update(
        r.pair, patient_id=r.pair.other_id, other_id=r.pair.patient_id
    ),
    "keepapart_pair_unique": lambda r: insert_copy(r.pair, reason="again"),
    "coverage_ends_after_start": lambda r: update(r.coverage, ends_on=BEFORE),
    "authorization_number_unique": lambda r: insert_copy(r.authorization, level=3),
    "authorization_ends_after_start": lambda r: update(r.authorization, ends_on=BEFORE),
    "authorization_units_positive": lambda r: update(r.authorization, units=0),
    "authorization_no_overlap": lambda r: insert_copy(r.authorization, number="A2", starts_on=NEXT),
    "certification_due_later": lambda r: update(r.certification, due_again_on=DAY),
    "episode_no_overlap_for_patient": admit_twice,
    "episode_one_open_referral": lambda r: insert_copy(r.referral, planned_weeks=6),
    "episode_state_known": lambda r: update(r.episode, state="gone"),
    "episode_state_matches_dates": lambda r: update(r.episode, state="discharged"),
    "episode_discharge_has_reason": lambda r: update(
        r.episode, state="discharged", discharged_on=NEXT
    ),
    "episode_not_admitted_is_a_referral": lambda r: update(
        r.episode, state="discharged", discharged_on=NEXT, discharge_reason="not_admitted"
    ),
    "episode_discharged_after_admission": lambda r: update(
        r.episode, state="discharged", discharged_on=BEFORE, discharge_reason="completed"
    ),
    "episode_planned_weeks_1_to_52": lambda r: update(r.episode, planned_weeks=53),
    "episode_admission_documented": lambda r: update(r.referral, state="admitted", admitted_on=DAY),
    "evaluation_needed_by_admission": lambda r: delete(r.evaluation),
    "diagnosis_needed_by_admission": lambda r: update(r.diagnosis, diagnosed_on="2031-01-01"),
    "programagreement_needed_by_admission": lambda r: delete(r.agreement),
    "episodehold_ends_after_start": lambda r: update(r.hold, ends_on=BEFORE),
    "episodehold_no_overlap": lambda r: insert_copy(r.hold, starts_on=NEXT),
    "treatmentplan_target_in_level_range": lambda r: update(r.plan, weekly_minutes_target=539),
    "treatmentplan_days_1_to_7": lambda r: update(r.plan, days_per_week=8),
    "treatmentplan_ends_after_start": lambda r: update(r.plan, ends_on=BEFORE),
    "treatmentplan_no_overlap": lambda r: insert_copy(r.plan, starts_on=NEXT),
}

GUARDED_TWICE = {
    # Another rule refuses these as well: the date range itself, or the state's dates.
    "authorization_ends_after_start",
    "episode_discharged_after_admission",
    "episode_state_known",
    "episodehold_ends_after_start",
    "treatmentplan_ends_after_start",
}


@pytest.mark.parametrize("name", CASES)
def test_raw_sql_is_refused_by_the_constraint(name, rows):
    assert refused_by(lambda: CASES[name](rows)) == name


@pytest.mark.parametrize("name", sorted(set(CASES) - GUARDED_TWICE))
def test_without_the_constraint_it_goes_through(name, rows):
    drop(name)
    assert refused_by(lambda: CASES[name](rows)) is None


def test_every_named_constraint_has_a_case():
    assert set(CASES) == named_constraints("patients")


# --- the edge of each range of dates -----------------------------------------------------------


def test_an_admission_on_the_day_after_a_discharge_fits(rows):
    update(rows.referral, patient_id=rows.patient.pk, referred_on=BEFORE)
    factories.document(rows.referral, DAY)
    update(rows.episode, state="discharged", discharged_on=DAY, discharge_reason="completed")
    assert refused_by(lambda: update(rows.referral, state="admitted", admitted_on=NEXT)) is None
    on_the_day = refused_by(lambda: update(rows.referral, state="admitted", admitted_on=DAY))
    assert on_the_day == "episode_no_overlap_for_patient"


def test_a_plan_from_the_day_after_the_last_one_fits(rows):
    update(rows.plan, ends_on=DAY)
    assert refused_by(lambda: insert_copy(rows.plan, starts_on=NEXT, ends_on=None)) is None
    assert refused_by(lambda: insert_copy(rows.plan)) == "treatmentplan_no_overlap"


@pytest.mark.parametrize("minutes", [540, 1200])
def test_both_ends_of_the_levels_range_are_inside(minutes, rows):
    assert refused_by(lambda: update(rows.plan, weekly_minutes_target=minutes)) is None


@pytest.mark.parametrize("paper", ["evaluation", "diagnosis", "agreement"])
def test_a_paper_may_go_when_another_one_stays(paper, rows):
    row = getattr(rows, paper)
    insert_copy(row)
    assert refused_by(lambda: delete(row)) is None


def test_papers_of_a_referral_may_go(rows):
    factories.document(rows.referral, DAY)
    assert refused_by(lambda: delete(rows.referral.evaluations.get())) is None
