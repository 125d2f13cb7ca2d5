"""Attempts to break the invariants of judgement: plans, cases, clinics, the trail (5 to 8)."""

import datetime
import uuid
from functools import partial

from attendance.compliance import cases
from attendance.models import Flag, ReportDelivery, WeekResult
from attendance.records.services import clear, correct
from iop_clinic.accounts.models import AuditEvent
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.services import invite
from patients import services as care
from tests import factories as f
from tests.api import AFTER, API
from tests.attendance.nights import case as open_case
from tests.attendance.nights import night, reported_night, run_row
from tests.project.place import TODAY, Attempt, Place, broken

# 5. Plans and standards


@broken(5, "target_outside_level")
def a_plan_of_eight_hours_at_iop(p: Place) -> Attempt:
    return p.plan(480, TODAY)


@broken(5, "plan_overlap")
def two_plans_on_one_day(p: Place) -> Attempt:
    return p.plan(600, datetime.date(2026, 1, 5))


@broken(5, "standard_no_overlap")
def two_standards_at_one_time(p: Place) -> Attempt:
    standard = p.standard
    standard.pk, standard.starts_on = None, TODAY
    return standard.save


@broken(5, "standard_immutable")
def a_standard_lowered(p: Place) -> Attempt:
    p.standard.min_minutes = 480
    return p.standard.save


@broken(5, "standard_immutable")
def a_standard_deleted(p: Place) -> Attempt:
    return p.standard.delete


# 6. Cases, nights, deliveries, results


@broken(6, "flag_once_per_evidence")
def two_cases_on_one_evidence(p: Place) -> Attempt:
    key = p.case.evidence_key
    return partial(open_case, p.clinic, episode=p.episode, evidence_key=key)


@broken(6, "outcome_required")
def a_case_closed_by_a_person_as_by_facts(p: Place) -> Attempt:
    return partial(cases.resolve, flag=p.case, outcome=Flag.Outcome.FACTS, by=p.by)


@broken(6, "400 required")
def a_case_closed_without_an_outcome_by_the_api(p: Place) -> Attempt:
    return p.work("resolve")


@broken(6, "409 outcome_required")
def a_case_closed_as_by_facts_by_the_api(p: Place) -> Attempt:
    return p.work("resolve", outcome="facts")


@broken(6, "409 case_closed")
def a_closed_case_worked_by_the_api(p: Place) -> Attempt:
    attempt = p.work("acknowledge")
    Flag.objects.filter(pk=p.case.pk).update(state="lapsed", closed_at=AFTER)
    return attempt


@broken(6, "nightlyrun_once_per_night")
def two_runs_of_one_night(p: Place) -> Attempt:
    run_row(night(p.clinic))
    return partial(run_row, night(p.clinic))


@broken(6, "reportdelivery_once_per_recipient")
def two_deliveries_of_one_report(p: Place) -> Attempt:
    sent = reported_night(p.clinic)[0]
    return partial(
        ReportDelivery.objects.create, clinic=p.clinic, report=sent.report,
        recipient=sent.recipient, message_id="<another@example.com>",
    )  # fmt: skip


@broken(6, "weekresult_insert_only")
def a_result_rewritten(p: Place) -> Attempt:
    p.result()
    return partial(WeekResult.objects.update, minutes_status="met")


# 7. One clinic


@broken(7, "404 not_found")
def a_stranger_added_to_a_roster_by_the_api(p: Place) -> Attempt:
    return p.add(p.session(), p.stranger)


@broken(7, "404 not_found")
def a_patient_added_to_a_roster_elsewhere_by_the_api(p: Place) -> Attempt:
    elsewhere = f.session(p.stranger.clinic, str(TODAY), "09:00", "10:00")
    return p.add(elsewhere, p.episode)


@broken(7, "400 unknown_booking")
def a_booking_of_another_clinic_recorded_by_the_api(p: Place) -> Attempt:
    elsewhere = f.session(p.stranger.clinic, str(TODAY), "09:00", "10:00")
    booking = f.booking(elsewhere, p.stranger)
    return p.send({"booking": str(booking.public_id), "attended": True})


@broken(7, "404 not_found")
def a_case_handed_to_another_clinics_coordinator_by_the_api(p: Place) -> Attempt:
    other = f.staff(p.stranger.clinic)
    return p.work("assign", owner=str(other.public_id))


@broken(7, "404 not_found")
def an_unknown_patient_looks_the_same(p: Place) -> Attempt:
    path = f"{API}/sessions/{p.session().public_id}/roster/"
    return partial(p.client.post, path, {"patient": str(uuid.uuid4())})


@broken(7, "booking_episode_same_clinic")
def a_stranger_booked(p: Place) -> Attempt:
    return p.book(p.session(), p.stranger)


@broken(7, "not_suitable")
def a_stranger_enrolled(p: Place) -> Attempt:
    return p.enrol(p.group(), p.stranger)


@broken(7, "other_clinic")
def a_stranger_referred(p: Place) -> Attempt:
    return partial(
        care.refer, clinic=p.clinic, patient=p.stranger.patient, program=p.program,
        referred_on=TODAY, by=p.by,
    )  # fmt: skip


@broken(7, "sessionstaff_therapist_same_clinic")
def a_session_led_by_another_clinics_therapist(p: Place) -> Attempt:
    return p.create("09:00", "10:00", therapist=f.TherapistFactory())


@broken(7, "other_clinic")
def a_person_invited_as_another_clinics_therapist(p: Place) -> Attempt:
    return partial(
        invite, clinic=p.clinic, email="new@example.com", name="New", role=Role.THERAPIST,
        therapist=f.TherapistFactory(), by=p.by,
    )  # fmt: skip


# 8. Nothing in silence


@broken(8, "409 correction_reason_required")
def a_correction_without_a_reason_by_the_api(p: Place) -> Attempt:
    return p.correct(version=1, attended=False)


@broken(8, "428 precondition_required")
def a_correction_of_nobody_knows_what_by_the_api(p: Place) -> Attempt:
    return p.correct(attended=False, correction_reason="Not seen.")


@broken(8, "412 stale_version")
def a_correction_of_an_old_version_by_the_api(p: Place) -> Attempt:
    return p.correct(version=2, attended=False, correction_reason="Not seen.")


@broken(8, "correction_reason_required")
def a_correction_without_a_reason(p: Place) -> Attempt:
    changes = {"attended": False}
    return partial(correct, booking=p.recorded, changes=changes, version=1, by=p.by)


@broken(8, "correction_reason_required")
def a_record_cleared_without_a_reason(p: Place) -> Attempt:
    return partial(clear, booking=p.recorded, version=1, correction_reason=" ", by=p.by)


@broken(8, "auditevent_append_only")
def a_line_of_the_audit_rewritten(p: Place) -> Attempt:
    assert p.recorded
    return partial(AuditEvent.objects.update, actor="nobody")


@broken(8, "auditevent_append_only")
def a_line_of_the_audit_deleted(p: Place) -> Attempt:
    assert p.recorded
    return AuditEvent.objects.all().delete
