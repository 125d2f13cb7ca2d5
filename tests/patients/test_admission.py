"""From the referral to the admission: what is asked for, and what is refused."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent, Clinic, User
from iop_clinic.accounts.weeks import local_date
from patients.models import Episode, Patient, ReferralSource
from patients.services import (
    admit,
    diagnose,
    edit_episode,
    evaluate,
    keep_apart,
    mandate,
    refer,
    save_patient,
    sign_agreement,
)
from tests import factories

REFERRED = datetime.date(2026, 3, 2)
EVE = REFERRED - datetime.timedelta(1)
ADMITTED = datetime.date(2026, 3, 9)


@pytest.fixture
def clinic(db) -> Clinic:
    return factories.ClinicFactory()


@pytest.fixture
def by(clinic) -> User:
    return factories.staff(clinic)


@pytest.fixture
def referral(clinic) -> Episode:
    return factories.EpisodeFactory(patient__clinic=clinic, referred_on=REFERRED)


@pytest.fixture
def license_(clinic):
    return factories.LicenseFactory(therapist__clinic=clinic)


def refusal(function, **arguments: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        function(**arguments)
    return refused.value


def stored(row) -> dict[str, object]:
    return type(row).objects.filter(pk=row.pk).values().get()


# --- patients ------------------------------------------------------------------------------------


FACTS: dict[str, Any] = {
    "record_number": "R1",
    "first_name": "Ada",
    "last_name": "Quinn",
    "birth_date": datetime.date(1990, 1, 1),
}


def test_a_patient_is_entered_and_changed(clinic, by):
    patient = save_patient(clinic=clinic, by=by, **FACTS, phone_is_safe=True)
    save_patient(clinic=clinic, by=by, patient=patient, version=1, preferred_name="Addie")
    assert (patient.short_name, patient.version) == ("Addie Q.", 2)
    assert Patient.objects.get().phone_is_safe


def test_an_older_version_is_refused(clinic, by):
    patient = save_patient(clinic=clinic, by=by, **FACTS)
    change = {"clinic": clinic, "by": by, "patient": patient, "version": 1}
    save_patient(**change, phone="555-0100")
    before = stored(patient)
    refused = refusal(save_patient, **change, phone="555-0199")
    assert (refused.code, refused.details) == ("stale_version", {"current": 2})
    assert stored(patient) == before


def test_values_that_are_stored_already_change_nothing(clinic, by):
    patient = save_patient(clinic=clinic, by=by, **FACTS)
    events = AuditEvent.objects.count()
    save_patient(clinic=clinic, by=by, patient=patient, version=7, **FACTS)
    assert (stored(patient)["version"], AuditEvent.objects.count()) == (1, events)


def test_wrong_facts_are_all_named_at_once(clinic, by):
    wrong = FACTS | {"record_number": "", "birth_date": datetime.date(1899, 1, 1)}
    refused = refusal(save_patient, clinic=clinic, by=by, **wrong)
    assert (refused.code, refused.field) == ("invalid", "record_number")
    errors: Any = refused.details["errors"]
    assert [e["loc"] for e in errors] == [["record_number"], ["birth_date"]]
    assert not Patient.objects.exists()


def test_a_record_number_is_given_once_in_a_clinic(clinic, by):
    save_patient(clinic=clinic, by=by, **FACTS)
    refused = refusal(save_patient, clinic=clinic, by=by, **FACTS)
    assert refused.code == "patient_record_number_unique"
    save_patient(clinic=factories.ClinicFactory(), by=by, **FACTS)


def test_what_is_not_a_fact_of_a_patient_is_a_mistake_of_the_caller(clinic, by):
    patient = save_patient(clinic=clinic, by=by, **FACTS)
    with pytest.raises(TypeError, match="clinic_id, color"):
        save_patient(clinic=clinic, by=by, patient=patient, color="red", clinic_id=7)


def test_a_pair_is_kept_apart_whichever_is_named_first(clinic, by):
    first, second = (factories.PatientFactory(clinic=clinic) for _ in range(2))
    pair = keep_apart(patient=second, other=first, reason="Family", by=by)
    assert (pair.patient, pair.other) == (first, second)
    again = refusal(keep_apart, patient=first, other=second, reason="Family", by=by)
    alone = refusal(keep_apart, patient=first, other=first, reason="Family", by=by)
    assert (again.code, alone.code) == ("keepapart_pair_unique", "same_patient")


# --- referral ------------------------------------------------------------------------------------


def test_a_referral_waits_without_an_admission(clinic, by):
    patient, program = (
        factories.PatientFactory(clinic=clinic),
        factories.ProgramFactory(clinic=clinic),
    )
    episode = refer(clinic=clinic, patient=patient, program=program, referred_on=REFERRED, by=by)
    assert (episode.state, episode.admitted_on) == (Episode.State.REFERRED, None)
    again = refusal(
        refer, clinic=clinic, patient=patient, program=program, referred_on=REFERRED, by=by
    )
    assert again.code == "episode_one_open_referral"


@pytest.mark.parametrize("given", ["patient", "program", "referral_source", "primary_therapist"])
def test_a_row_of_another_clinic_names_its_field(clinic, by, given):
    foreign = factories.admitted(factories.ClinicFactory())
    rows = {
        "patient": factories.PatientFactory(clinic=clinic),
        "program": factories.ProgramFactory(clinic=clinic),
        "primary_therapist": factories.TherapistFactory(clinic=clinic),
    }
    strangers = {
        "patient": foreign.patient,
        "program": foreign.program,
        "primary_therapist": factories.TherapistFactory(),
        "referral_source": ReferralSource.objects.create(clinic=foreign.clinic, name="Mercy"),
    }
    rows[given] = strangers[given]
    refused = refusal(refer, clinic=clinic, referred_on=REFERRED, by=by, **rows)
    assert (refused.code, refused.field) == ("other_clinic", given)


def test_nobody_is_referred_after_death_or_before_birth(clinic, by):
    program = factories.ProgramFactory(clinic=clinic)
    dead = factories.PatientFactory(clinic=clinic, deceased_on=REFERRED)
    asked = {"clinic": clinic, "program": program, "referred_on": REFERRED, "by": by}
    assert refusal(refer, patient=dead, **asked).code == "deceased"
    unborn = factories.PatientFactory(clinic=clinic, birth_date=REFERRED + (REFERRED - EVE))
    assert refusal(refer, patient=unborn, **asked).field == "referred_on"


def test_a_referral_is_edited_but_never_after_its_admission(clinic, by):
    episode = factories.admitted(clinic, on=ADMITTED)
    edit_episode(episode=episode, by=by, version=1, planned_weeks=8, priority="minor")
    refused = refusal(edit_episode, episode=episode, by=by, referred_on=ADMITTED + (REFERRED - EVE))
    assert (refused.code, refused.field) == ("before_referral", "referred_on")
    assert (stored(episode)["planned_weeks"], stored(episode)["version"]) == (8, 2)


# --- papers --------------------------------------------------------------------------------------


def test_no_paper_is_older_than_the_referral(referral, by, license_):
    asked = {"episode": referral, "by": by}
    refused = [
        refusal(evaluate, **asked, evaluated_on=EVE, evaluator=license_.therapist),
        refusal(diagnose, **asked, code="F10.20", diagnosed_on=EVE, license=license_),
        refusal(sign_agreement, **asked, signed_on=EVE, weekly_minutes=540),
    ]
    assert [r.code for r in refused] == ["before_referral"] * 3
    assert [r.field for r in refused] == ["evaluated_on", "diagnosed_on", "signed_on"]
    assert not referral.evaluations.exists()


@pytest.mark.parametrize("code", ["", "alcohol", "F1", "F10.", "F10.20x99", "10.20"])
def test_a_diagnosis_has_the_shape_of_icd_10(referral, by, license_, code):
    refused = refusal(
        diagnose, episode=referral, code=code, diagnosed_on=REFERRED, license=license_, by=by
    )
    assert (refused.code, refused.field) == ("invalid_code", "code")


def test_a_diagnosis_is_stored_in_capitals(referral, by, license_):
    row = diagnose(
        episode=referral, code=" f10.20 ", diagnosed_on=REFERRED, license=license_, by=by
    )
    assert row.code == "F10.20"


@pytest.mark.parametrize(
    "change",
    [
        {"may_diagnose": False},
        {"expires_on": EVE},
        {"issued_on": REFERRED + datetime.timedelta(1)},
    ],
    ids=["not a diagnosing license", "expired", "not issued yet"],
)
def test_a_diagnosis_needs_a_license_that_is_valid_that_day(referral, by, license_, change):
    for name, value in change.items():
        setattr(license_, name, value)
    license_.save()
    refused = refusal(
        diagnose, episode=referral, code="F10.20", diagnosed_on=REFERRED, license=license_, by=by
    )
    assert (refused.code, refused.field) == ("license_invalid", "license")
    assert not referral.diagnoses.exists()


def test_a_court_mandate_ends_after_it_starts(referral, by):
    asked = {"episode": referral, "court": "Drug court", "starts_on": REFERRED, "by": by}
    assert refusal(mandate, **asked, ends_on=EVE).field == "ends_on"
    assert mandate(**asked).court == "Drug court"


# --- admission -----------------------------------------------------------------------------------


def test_an_admission_lists_what_is_missing(referral, by, license_):
    refused = refusal(admit, episode=referral, admitted_on=ADMITTED, by=by)
    assert refused.code == "admission_incomplete"
    assert refused.details == {"missing": ["evaluation", "diagnosis", "agreement"]}
    evaluate(episode=referral, evaluated_on=REFERRED, evaluator=license_.therapist, by=by)
    sign_agreement(episode=referral, signed_on=REFERRED, weekly_minutes=540, by=by)
    refused = refusal(admit, episode=referral, admitted_on=ADMITTED, by=by)
    assert refused.details == {"missing": ["diagnosis"]}
    assert stored(referral)["state"] == Episode.State.REFERRED


def test_a_diagnosis_whose_license_was_shortened_since_does_not_count(referral, by, license_):
    factories.document(referral, ADMITTED)
    license_ = referral.diagnoses.get().license
    license_.expires_on = EVE
    license_.save()
    refused = refusal(admit, episode=referral, admitted_on=ADMITTED, by=by)
    assert refused.details == {"missing": ["diagnosis"]}


def test_a_documented_referral_is_admitted_by_a_named_person(referral, by):
    factories.document(referral, REFERRED)
    admit(episode=referral, admitted_on=REFERRED, by=by, version=1)
    assert (stored(referral)["state"], stored(referral)["admitted_on"]) == ("admitted", REFERRED)
    event: Any = AuditEvent.objects.filter(table_name="patients_episode")[0]
    assert (event.old["state"], event.new["state"], event.actor) == (
        "referred", "admitted", by.actor,
    )  # fmt: skip


def test_nobody_is_admitted_before_the_referral_or_twice(referral, by):
    factories.document(referral, REFERRED)
    early = refusal(admit, episode=referral, admitted_on=EVE, by=by)
    assert (early.code, early.field) == ("before_referral", "admitted_on")
    admit(episode=referral, admitted_on=ADMITTED, by=by)
    before = stored(referral)
    assert refusal(admit, episode=referral, admitted_on=ADMITTED, by=by).code == "not_referred"
    assert stored(referral) == before


def test_an_admission_inside_another_episode_is_refused(clinic, by):
    first = factories.admitted(clinic, on=REFERRED)
    second = factories.EpisodeFactory(patient=first.patient, referred_on=REFERRED)
    factories.document(second, REFERRED)
    refused = refusal(admit, episode=second, admitted_on=ADMITTED, by=by)
    assert refused.code == "episode_overlap"
    assert stored(second)["state"] == Episode.State.REFERRED


def test_a_stale_admission_is_refused(referral, by):
    factories.document(referral, REFERRED)
    edit_episode(episode=referral, by=by, planned_weeks=8)
    refused = refusal(admit, episode=referral, admitted_on=ADMITTED, by=by, version=1)
    assert (refused.code, refused.details) == ("stale_version", {"current": 2})


@pytest.mark.parametrize("days", [1, 400])
def test_a_paper_of_tomorrow_is_refused(referral, license_, by, days) -> None:
    late = local_date(timezone.now(), referral.clinic.tz) + datetime.timedelta(days)
    same: dict[str, Any] = {"episode": referral, "by": by}
    codes = [
        refusal(evaluate, evaluated_on=late, evaluator=license_.therapist, **same).code,
        refusal(diagnose, diagnosed_on=late, code="F10.20", license=license_, **same).code,
        refusal(sign_agreement, signed_on=late, weekly_minutes=540, **same).code,
    ]
    assert codes == ["in_future"] * 3
    assert referral.evaluations.count() + referral.diagnoses.count() == 0


def test_an_admission_a_year_ahead_is_a_typing_mistake(referral, by) -> None:
    factories.document(referral, ADMITTED)
    late = local_date(timezone.now(), referral.clinic.tz) + datetime.timedelta(32)
    refused = refusal(admit, episode=referral, admitted_on=late, by=by)
    assert (refused.code, refused.field) == ("in_future", "admitted_on")
    assert Episode.objects.get(pk=referral.pk).state == Episode.State.REFERRED
