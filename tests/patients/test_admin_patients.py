"""Patients and episodes at the admin site: each verb once as meant, once with its usual mistake."""

from __future__ import annotations

import datetime

import pytest

from iop_clinic.accounts.models import AuditEvent, Clinic
from iop_clinic.accounts.roles import Role
from patients.models import (
    Authorization,
    Certification,
    CourtReferral,
    Coverage,
    Episode,
    KeepApart,
    Patient,
    TreatmentPlan,
)
from tests import factories
from tests.admin import Desk, actors, desk, url

DAY = datetime.date(2026, 3, 2)


@pytest.fixture
def clinic(db) -> Clinic:
    return factories.ClinicFactory()


@pytest.fixture
def coordinator(clinic) -> Desk:
    return desk(clinic)


@pytest.fixture
def referral(clinic) -> Episode:
    return factories.EpisodeFactory(patient__clinic=clinic)


@pytest.fixture
def admitted(clinic) -> Episode:
    return factories.admitted(clinic)


# --- patients --------------------------------------------------------------------------------

ANNA = {
    "record_number": "R-77",
    "first_name": "Anna",
    "last_name": "Berg",
    "birth_date": "1990-05-01",
    "phone": "555-0100",
}


def test_a_patient_is_entered_under_the_persons_name(coordinator, clinic):
    answer = coordinator.fill(Patient, "add", **ANNA)
    patient = Patient.objects.get()
    assert (patient.clinic, patient.record_number, patient.version) == (clinic, "R-77", 1)
    assert actors(patient, "I") == {coordinator.user.actor}
    assert answer.sentences[-1] == "Next: refer the patient to a program."


def test_who_enters_a_patient_goes_on_at_the_patients_page(coordinator):
    answer = coordinator.fill(Patient, "add", **ANNA)
    row = Patient.objects.get()
    assert answer.location == url(row, "change")
    assert url(row, "refer") in coordinator.open(row, "change").content.decode()


def test_a_record_number_that_is_taken_is_refused_with_the_input_kept(coordinator, clinic):
    factories.PatientFactory(clinic=clinic, record_number="R-77")
    answer = coordinator.fill(Patient, "add", **ANNA)
    assert answer.refusal == "Another patient of the clinic has this record number."
    assert 'value="555-0100"' in answer.html
    assert Patient.objects.count() == 1


def test_the_list_leads_to_the_latest_episode(coordinator, clinic):
    patient = factories.PatientFactory(clinic=clinic)
    assert "never referred" in coordinator.open(Patient).content.decode()
    old = factories.admitted(clinic, patient=patient)
    Episode.objects.filter(pk=old.pk).update(
        state="discharged", discharged_on=DAY, discharge_reason="completed"
    )
    new = factories.EpisodeFactory(patient=patient, referred_on=DAY)
    html = coordinator.open(Patient).content.decode()
    assert f'/admin/patients/episode/{new.pk}/change/" class=' in html
    assert f"Referred, {new.program}</a>" in html
    assert f"/admin/patients/episode/{old.pk}/change/" not in html


def test_the_list_leads_a_therapist_to_no_colleagues_episode(clinic):
    therapist = factories.TherapistFactory(clinic=clinic)
    patient = factories.PatientFactory(clinic=clinic)
    own = factories.admitted(clinic, patient=patient, primary_therapist=therapist)
    Episode.objects.filter(pk=own.pk).update(
        state="discharged", discharged_on=DAY, discharge_reason="completed"
    )
    other = factories.EpisodeFactory(patient=patient, referred_on=DAY)
    at = Desk(factories.staff(clinic, Role.THERAPIST, therapist=therapist))
    html = at.open(Patient).content.decode()
    found = [f"/admin/patients/episode/{row.pk}/change/" in html for row in (own, other)]
    assert found == [True, False]


def test_a_patient_is_found_by_the_name_as_it_is_shown(coordinator, clinic):
    patient = factories.PatientFactory(clinic=clinic, first_name="Anna", last_name="Berg")
    html = coordinator.client.post(url(Patient), {"q": "Berg, Anna"}, follow=True).content.decode()
    assert f"/admin/patients/patient/{patient.pk}/change/" in html


def test_another_clinic_may_have_the_same_record_number(coordinator):
    factories.PatientFactory(record_number="R-77")
    assert coordinator.fill(Patient, "add", **ANNA).status == 302


def test_a_changed_phone_keeps_the_rest_and_names_who_did_it(coordinator, clinic):
    patient = factories.PatientFactory(clinic=clinic, phone="1", email="a@example.com")
    assert coordinator.fill(patient, "change", phone="2").status == 302
    patient.refresh_from_db()
    assert (patient.phone, patient.email, patient.version) == ("2", "a@example.com", 2)
    assert actors(patient) == {coordinator.user.actor}


def test_saving_without_a_change_writes_nothing(coordinator, clinic):
    patient = factories.PatientFactory(clinic=clinic)
    assert coordinator.fill(patient, "change").status == 302
    patient.refresh_from_db()
    assert patient.version == 1


def test_the_second_editor_is_told_who_changed_what_and_loses_nothing(coordinator, clinic):
    patient = factories.PatientFactory(clinic=clinic, phone="1")
    first = desk(clinic, Role.FRONT_DESK)
    first.fill(patient, "change", phone="2")
    answer = coordinator.fill(patient, "change", version=1, email="new@example.com")
    assert answer.refusal.startswith(f"{first.user} changed Phone: 1 → 2. Your entries are kept")
    assert 'value="new@example.com"' in answer.html
    patient.refresh_from_db()
    assert (patient.email, patient.version) == ("", 2)


def test_after_the_warning_the_second_editor_saves_knowingly(coordinator, clinic):
    patient = factories.PatientFactory(clinic=clinic, phone="1")
    desk(clinic).fill(patient, "change", phone="2")
    answer = coordinator.fill(patient, "change", version=1, email="new@example.com")
    assert '<input type="hidden" name="version" value="2"' in answer.html
    assert coordinator.fill(patient, "change", version=2, email="new@example.com").status == 302


def test_a_look_at_a_patients_page_leaves_a_trace(coordinator, clinic):
    patient = factories.PatientFactory(clinic=clinic)
    coordinator.open(patient, "change")
    assert actors(patient, "R") == {coordinator.user.actor}


def test_referring_opens_an_episode(coordinator, clinic):
    patient = factories.PatientFactory(clinic=clinic)
    program = factories.ProgramFactory(clinic=clinic)
    answer = coordinator.fill(patient, "refer", program=program, referred_on=DAY)
    episode = Episode.objects.get()
    assert (episode.state, episode.referred_on, episode.program) == ("referred", DAY, program)
    assert actors(episode, "I") == {coordinator.user.actor}
    assert answer.sentences == [
        "The referral is entered. Next: evaluation, diagnosis and program agreement."
    ]


def test_a_second_open_referral_is_refused(coordinator, referral):
    answer = coordinator.fill(referral.patient, "refer", program=referral.program, referred_on=DAY)
    assert answer.refusal == "The patient already has an open referral."
    assert Episode.objects.count() == 1


def test_insurance_is_added_and_one_that_ends_before_it_starts_is_not(coordinator, clinic):
    patient, payer = factories.PatientFactory(clinic=clinic), factories.PayerFactory(clinic=clinic)
    bad = coordinator.fill(patient, "coverage", payer=payer, starts_on=DAY, ends_on="2026-03-01")
    assert bad.refusal == "This lies before the start on Mar 2, 2026. Choose a later day."
    assert not Coverage.objects.exists()
    good = coordinator.fill(patient, "coverage", payer=payer, starts_on=DAY)
    assert good.sentences == [f"{payer} is entered. Next: verify it with the payer."]
    assert actors(Coverage.objects.get(), "I") == {coordinator.user.actor}


def test_two_patients_are_kept_apart_but_never_one_from_themselves(coordinator, clinic):
    one, other = factories.PatientFactory.create_batch(2, clinic=clinic)
    bad = coordinator.fill(one, "keep-apart", other=one, reason="x")
    assert bad.refusal == "Choose two different patients."
    coordinator.fill(other, "keep-apart", other=one, reason="conflict")
    pair = KeepApart.objects.get()
    assert (pair.patient, pair.other) == (one, other)
    assert actors(pair, "I") == {coordinator.user.actor}


# --- from referral to admission --------------------------------------------------------------


def test_the_papers_are_entered_one_by_one_then_the_patient_is_admitted(coordinator, referral):
    license_ = factories.LicenseFactory(therapist__clinic=referral.clinic)
    first = coordinator.fill(
        referral, "evaluate", evaluated_on=DAY, evaluator=license_.therapist, recommended_level=2
    )
    assert first.sentences[0].endswith(
        "Still missing: a diagnosis by a clinician whose license was valid that day; "
        "the signed program agreement."
    )
    coordinator.fill(referral, "diagnose", code="F10.20", diagnosed_on=DAY, license=license_)
    last = coordinator.fill(referral, "agreement", signed_on=DAY, weekly_minutes=540)
    assert last.sentences[0].endswith("All papers are there: the patient can be admitted.")
    answer = coordinator.fill(referral, "admit", admitted_on=DAY)
    assert answer.sentences == [
        f"{referral.patient} is admitted on Mar 2, 2026. Next: set the treatment plan."
    ]
    referral.refresh_from_db()
    assert (referral.state, referral.admitted_on) == ("admitted", DAY)
    assert actors(referral) == {coordinator.user.actor}


def test_an_admission_without_its_papers_says_what_is_missing(coordinator, referral):
    answer = coordinator.fill(referral, "admit", admitted_on=DAY)
    assert answer.refusal.startswith("Still missing: an initial evaluation; a diagnosis")
    referral.refresh_from_db()
    assert (referral.state, referral.version) == ("referred", 1)


def test_an_admission_from_an_old_page_is_refused(coordinator, referral):
    factories.document(referral, DAY)
    answer = coordinator.fill(referral, "admit", admitted_on=DAY, version=0)
    assert answer.refusal.startswith("Someone changed this in the meantime.")
    assert Episode.objects.get().state == "referred"


def test_an_evaluation_before_the_referral_is_refused(coordinator, referral):
    therapist = factories.TherapistFactory(clinic=referral.clinic)
    answer = coordinator.fill(
        referral, "evaluate", evaluated_on="2026-01-01", evaluator=therapist, recommended_level=2
    )
    said = "This lies before the referral on Jan 2, 2026. Choose a later day."
    assert answer.errors == {"evaluated_on": [said]}
    assert not referral.evaluations.exists()


def test_a_diagnosis_under_an_expired_license_is_refused(coordinator, referral):
    license_ = factories.LicenseFactory(
        therapist__clinic=referral.clinic, expires_on=datetime.date(2026, 3, 1)
    )
    answer = coordinator.fill(
        referral, "diagnose", code="F10.20", diagnosed_on=DAY, license=license_
    )
    assert list(answer.errors) == ["license"]
    assert not referral.diagnoses.exists()


def test_an_agreement_needs_minutes(coordinator, referral):
    answer = coordinator.fill(referral, "agreement", signed_on=DAY, weekly_minutes=0)
    assert list(answer.errors) == ["weekly_minutes"]
    assert not referral.agreements.exists()


def test_an_overlapping_episode_is_refused_at_its_admission(coordinator, admitted):
    second = factories.EpisodeFactory(patient=admitted.patient, program=admitted.program)
    factories.document(second, DAY)
    answer = coordinator.fill(second, "admit", admitted_on=DAY)
    assert answer.refusal == "The patient has another episode on these dates."
    second.refresh_from_db()
    assert second.state == "referred"


def test_priority_is_edited_through_the_service(coordinator, admitted):
    assert coordinator.fill(admitted, "change", priority="moud").status == 302
    admitted.refresh_from_db()
    assert (admitted.priority, admitted.version) == ("moud", 2)


def test_a_referral_moved_behind_the_admission_is_refused(coordinator, admitted):
    answer = coordinator.fill(admitted, "change", referred_on="2026-02-01")
    assert list(answer.errors) == ["referred_on"]
    admitted.refresh_from_db()
    assert admitted.version == 1


# --- plan, hold, authorization ---------------------------------------------------------------

PLAN = {
    "starts_on": "2026-04-06",
    "level": 2,
    "age_bracket": 1,
    "weekly_minutes_target": 720,
    "days_per_week": 4,
}


def test_a_new_plan_ends_the_one_in_force_on_its_eve(coordinator, admitted):
    answer = coordinator.fill(admitted, "plan", **PLAN)
    new, old = admitted.plans.all()
    assert (new.weekly_minutes_target, old.ends_on) == (720, datetime.date(2026, 4, 5))
    assert actors(new, "I") == actors(old) == {coordinator.user.actor}
    assert answer.sentences == [f"The plan is set: {new}. Next: enrol the patient in a group."]


def test_a_target_outside_the_levels_range_is_refused(coordinator, admitted):
    answer = coordinator.fill(admitted, "plan", **PLAN | {"weekly_minutes_target": 300})
    assert answer.errors == {
        "weekly_minutes_target": ["IOP 2.1 for an adult takes 540 to 1200 minutes a week."]
    }
    assert admitted.plans.get().ends_on is None


def test_a_plan_edited_into_another_one_is_refused(coordinator, admitted):
    coordinator.fill(admitted, "plan", **PLAN)
    answer = coordinator.fill(admitted.plans.last(), "change", ends_on="2026-05-01")
    assert answer.refusal == "Another plan of the episode covers these dates."
    assert admitted.plans.last().ends_on == datetime.date(2026, 4, 5)


def test_a_plan_that_ends_before_it_starts_is_refused(coordinator, admitted):
    answer = coordinator.fill(admitted.plans.get(), "change", ends_on="2026-01-01")
    assert "The plan ends before it starts." in answer.refusal
    assert TreatmentPlan.objects.get().ends_on is None


def test_a_hold_pauses_and_resuming_ends_it_the_day_before(coordinator, admitted):
    coordinator.fill(admitted, "hold", starts_on=DAY, reason="hospital")
    hold = admitted.holds.get()
    assert (hold.starts_on, hold.ends_on) == (DAY, None)
    admitted.refresh_from_db()
    assert admitted.state == "on_hold"
    answer = coordinator.fill(admitted, "resume", resumes_on="2026-03-09")
    assert answer.sentences == ["The patient is expected again from Mon Mar 9."]
    hold.refresh_from_db()
    assert hold.ends_on == datetime.date(2026, 3, 8)
    assert actors(hold) == {coordinator.user.actor}


def test_a_second_hold_on_the_same_days_and_a_resume_without_one_are_refused(coordinator, admitted):
    answer = coordinator.fill(admitted, "resume", resumes_on=DAY)
    assert answer.refusal == "The patient is not on hold then. Look at the dates of the hold."
    coordinator.fill(admitted, "hold", starts_on=DAY, reason="jail")
    answer = coordinator.fill(admitted, "hold", starts_on="2026-03-04", reason="leave")
    assert answer.refusal == "The episode is already on hold on these dates."
    assert admitted.holds.count() == 1


def authorization(payer) -> dict[str, object]:
    return {
        "payer": payer,
        "number": "A-1",
        "level": 2,
        "unit": "day",
        "units": 12,
        "starts_on": DAY,
        "ends_on": "2026-04-30",
    }


def test_an_authorization_is_entered_by_utilization_review(admitted):
    reviewer = desk(admitted.clinic, Role.UTILIZATION_REVIEW)
    payer = factories.PayerFactory(clinic=admitted.clinic)
    answer = reviewer.fill(admitted, "authorize", **authorization(payer))
    row = Authorization.objects.get()
    assert answer.sentences == [f"{row} covers 12 days until Apr 30, 2026."]
    assert actors(row, "I") == {reviewer.user.actor}


def test_overlapping_authorizations_and_reversed_dates_are_refused(coordinator, admitted):
    payer = factories.PayerFactory(clinic=admitted.clinic)
    given = authorization(payer)
    reversed_ = coordinator.fill(admitted, "authorize", **given | {"ends_on": "2026-03-01"})
    said = "This lies before the start on Mar 2, 2026. Choose a later day."
    assert reversed_.errors == {"ends_on": [said]}
    coordinator.fill(admitted, "authorize", **given)
    again = coordinator.fill(admitted, "authorize", **given | {"number": "A-2"})
    assert again.refusal == ("Another authorization of this payer and level covers these dates.")
    assert Authorization.objects.count() == 1


def test_a_certification_and_a_court_mandate_are_noted(coordinator, admitted):
    bad = coordinator.fill(admitted, "certify", certified_on=DAY, due_again_on=DAY)
    assert bad.refusal == "The next certification is due after this one."
    coordinator.fill(admitted, "certify", certified_on=DAY, due_again_on="2026-05-01")
    coordinator.fill(admitted, "mandate", court="Drug court", starts_on=DAY)
    rows = [Certification.objects.get(), CourtReferral.objects.get()]
    assert [actors(row, "I") for row in rows] == [{coordinator.user.actor}] * 2


def test_a_mandate_that_ends_before_it_starts_is_refused(coordinator, admitted):
    answer = coordinator.fill(
        admitted, "mandate", court="Drug court", starts_on=DAY, ends_on="2026-03-01"
    )
    assert list(answer.errors) == ["ends_on"]
    assert not CourtReferral.objects.exists()


# --- who may ---------------------------------------------------------------------------------


def test_the_front_desk_may_not_admit_and_nothing_changes(referral):
    front = desk(referral.clinic, Role.FRONT_DESK)
    factories.document(referral, DAY)
    answer = front.send(
        f"/admin/patients/episode/{referral.pk}/admit/", {"admitted_on": "2026-03-02"}
    )
    assert answer.status == 403
    referral.refresh_from_db()
    assert (referral.state, referral.version) == ("referred", 1)


def test_the_page_offers_only_what_fits_the_state_and_the_role(referral):
    html = desk(referral.clinic).open(referral, "change").content.decode()
    assert "/admit/" in html
    assert "/hold/" not in html
    front = desk(referral.clinic, Role.FRONT_DESK).open(referral, "change").content.decode()
    assert "/admit/" not in front


def test_history_is_for_those_who_may_read_the_trail(coordinator, admitted):
    coordinator.fill(admitted, "change", priority="moud")
    assert coordinator.open(admitted, "history").status_code == 403
    html = desk(admitted.clinic, Role.AUDITOR).open(admitted, "history").content.decode()
    assert f"{coordinator.user}</strong> changed it" in html
    assert "Priority: empty → Medication for opioid use disorder" in html
    assert AuditEvent.objects.filter(operation="R", row_id=admitted.pk).exists()


def test_reads_that_follow_each_other_are_one_line_of_the_history(coordinator, admitted):
    for _ in range(3):
        coordinator.open(admitted, "change")
    steps = desk(admitted.clinic, Role.AUDITOR).open(admitted, "history").context["steps"]
    newest, *others = steps
    assert (newest.who, newest.operation, newest.times) == (f"{coordinator.user}", "read", 3)
    assert newest.since <= newest.at
    assert [one.operation for one in others if one.times > 1] == []
