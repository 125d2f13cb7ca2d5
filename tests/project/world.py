"""One row in every table of a clinic, all of them one therapist's: what a leak would show.

`clinic_rows` builds what a clinic has once, `therapist_rows` one therapist's own. A meta-test in
test_architecture.py fails when a table of the product is missing here.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils import timezone

from attendance import models as attendance
from iop_clinic.accounts import models as accounts
from patients import models as patients
from scheduling import models as scheduling
from tests import factories

DAY = datetime.date(2026, 3, 2)
EVE, MORNING = (datetime.datetime(2026, 3, n, 12, tzinfo=datetime.UTC) for n in (1, 2))
Rows = dict[type[Model], Any]  # the value is an instance of its key

CLINIC_MODELS = [model for model in apps.get_models() if issubclass(model, accounts.ClinicModel)]
PRODUCT_MODELS = [
    model
    for model in apps.get_models()
    if model._meta.app_label in ("accounts", "patients", "scheduling", "attendance")
]


def _filed(*rows: Model) -> Rows:
    return {type(row): row for row in rows}


def clinic_rows(clinic: accounts.Clinic) -> Rows:
    """Rooms, types, payers, standards and rules: the tables everybody in a clinic shares."""
    room = factories.RoomFactory(clinic=clinic)
    program = factories.ProgramFactory(clinic=clinic)
    payer = factories.PayerFactory(clinic=clinic)
    source = patients.ReferralSource.objects.create(clinic=clinic, name="Mercy Hospital")
    closure = scheduling.Closure.objects.create(
        clinic=clinic, starts_on=DAY, ends_on=DAY, reason="Snow", room=room
    )
    standard = attendance.Standard.objects.create(
        clinic=clinic, name="Payer's hours", source=2, prorate=False, program=program,
        payer=payer, starts_on=DAY,
    )  # fmt: skip
    credit = attendance.CreditRule.objects.create(clinic=clinic, starts_on=DAY)
    absences = attendance.AbsenceRule.objects.create(clinic=clinic, kind=1, starts_on=DAY)
    run = attendance.NightlyRun.objects.create(
        clinic=clinic, local_date=DAY, lease_until=timezone.now()
    )
    kind = factories.SessionTypeFactory(clinic=clinic)
    return _filed(room, program, payer, source, closure, standard, credit, absences, run, kind)


def therapist_rows(user: accounts.User, shared: Rows, *, hour: int = 9) -> Rows:
    """A patient, their papers, their group, their session (at `hour`) and its outcome."""
    membership = user.memberships.get()
    therapist = membership.therapist
    assert therapist is not None
    link = accounts.CalendarLink.objects.create(
        clinic=membership.clinic, membership=membership, digest=f"{membership.pk:064}"
    )
    rows = _filed(membership, therapist, factories.LicenseFactory(therapist=therapist), link)
    rows |= _patient_rows(therapist, shared)
    rows |= _schedule_rows(therapist, rows, shared, hour)
    rows |= _attendance_rows(user, rows, shared)
    assert not rows.keys() & shared.keys()
    return rows


def _patient_rows(therapist: accounts.Therapist, shared: Rows) -> Rows:
    clinic = therapist.clinic
    episode = factories.admitted(
        clinic,
        on=DAY,
        primary_therapist=therapist,
        program=shared[patients.Program],
        referral_source=shared[patients.ReferralSource],
    )
    same: dict[str, Any] = {"clinic": clinic, "episode": episode}
    dated: dict[str, Any] = {"starts_on": DAY, "ends_on": DAY}
    patient, payer = episode.patient, shared[patients.Payer]
    number = f"A{episode.pk}"
    return _filed(
        patient,
        episode,
        patients.KeepApart.objects.create(
            clinic=clinic, patient=patient, other=factories.PatientFactory(clinic=clinic)
        ),
        patients.Coverage.objects.create(
            clinic=clinic, patient=patient, payer=payer, starts_on=DAY
        ),
        patients.Authorization.objects.create(
            **same, **dated, payer=payer, number=number, units=12
        ),
        patients.Certification.objects.create(
            **same, certified_on=DAY, due_again_on=DAY + datetime.timedelta(60)
        ),
        patients.EpisodeHold.objects.create(**same, **dated, reason="leave"),
        patients.CourtReferral.objects.create(**same, court="Drug court", starts_on=DAY),
        episode.plans.get(),
        episode.evaluations.get(),
        episode.diagnoses.get(),
        episode.agreements.get(),
    )


def _schedule_rows(therapist: accounts.Therapist, rows: Rows, shared: Rows, hour: int) -> Rows:
    clinic, episode = therapist.clinic, rows[patients.Episode]
    user = therapist.memberships.get().user
    group = factories.GroupFactory(clinic=clinic, program=shared[patients.Program])
    kind = shared[scheduling.SessionType]
    block = factories.WeeklyBlockFactory(
        clinic=clinic, group=group, facilitator=therapist, session_type=kind
    )
    seat = scheduling.GroupMembership.objects.create(
        clinic=clinic, group=group, episode=episode, seat=1, starts_on=DAY
    )
    call_in = scheduling.CallIn.objects.create(
        clinic=clinic, episode=episode, from_date=DAY, to_date=DAY, reason="illness",
        notified_at=timezone.now(), taken_by=user,
    )  # fmt: skip
    starts, ends = f"{hour:02}:00", f"{hour + 1:02}:00"
    session = factories.session(
        clinic, DAY.isoformat(), starts, ends, therapist=therapist, session_type=kind,
        group=group, block=block, original_local_date=DAY,
    )  # fmt: skip
    booking = factories.booking(session, episode, membership=seat, call_in=call_in)
    waiting = scheduling.WaitlistEntry.objects.create(
        clinic=clinic, group=group, episode=episode, added_at=timezone.now()
    )
    offer = scheduling.WaitlistOffer.objects.create(
        clinic=clinic, entry=waiting, starts_on=DAY, made_at=EVE, made_by=user,
        expires_at=MORNING, answered_at=MORNING, answer="expired",
    )  # fmt: skip
    step = scheduling.WaitlistStep.objects.create(
        clinic=clinic, entry=waiting, method="call", result="no_answer", noted_at=EVE,
        noted_by=user,
    )  # fmt: skip
    off = scheduling.TimeOff.objects.create(
        clinic=clinic, therapist=therapist,
        starts_at=factories.at(clinic, "2026-03-03", "09:00"),
        ends_at=factories.at(clinic, "2026-03-03", "17:00"),
    )  # fmt: skip
    leads = session.staff.get()
    decision = scheduling.Decision.objects.create(
        clinic=clinic, time_off=off, session=session, choice="kept", decided_at=EVE,
        was_starts_at=session.starts_at, was_ends_at=session.ends_at,
    )  # fmt: skip
    told = scheduling.Told.objects.create(
        clinic=clinic, time_off=off, episode=episode, told_at=EVE, told_by=user
    )
    waits = waiting, offer, step
    away = off, decision, told
    return _filed(group, block, seat, call_in, session, leads, booking, *waits, *away)


def _attendance_rows(user: accounts.User, rows: Rows, shared: Rows) -> Rows:
    clinic, episode = rows[scheduling.Session].clinic, rows[patients.Episode]
    record = attendance.AttendanceRecord.objects.create(
        clinic=clinic, booking=rows[scheduling.Booking], attended=True
    )
    flag = attendance.Flag.objects.create(
        clinic=clinic, rule=2, subject_type=1, subject_id=episode.pk, episode=episode,
        evidence_key=DAY.isoformat(), sentence="Missed a day", severity=3,
        owner_role="therapist", opened_for=DAY, due_at=timezone.now(),
    )  # fmt: skip
    attempt = attendance.OutreachAttempt.objects.create(
        clinic=clinic, flag=flag, episode=episode, method="call", result="reached",
        attempted_by=user,
    )  # fmt: skip
    note = attendance.WeekNote.objects.create(
        clinic=clinic, flag=flag, reason="illness", make_up_offered="None fits", written_by=user
    )
    report = attendance.ComplianceReport.objects.create(
        clinic=clinic, run=shared[attendance.NightlyRun], local_date=DAY,
        content={"severities": []}, therapist=rows[accounts.Therapist],
    )  # fmt: skip
    delivery = attendance.ReportDelivery.objects.create(
        clinic=clinic, report=report, recipient=user, message_id=f"{report.pk}@{clinic.pk}"
    )
    result = attendance.WeekResult.objects.create(
        clinic=clinic, episode=episode, standard=shared[attendance.Standard],
        week_starts_on=DAY, segment_starts_on=DAY, segment_ends_on=DAY, minutes_status="short",
        days_status="short", scheduled_minutes=60, attended_minutes=60, credited_minutes=60,
        judged_minutes=60, qualifying_days=0, minimum=540, prorated_minimum=540,
        prorated_days=3, inputs=_inputs(rows[scheduling.Session].session_type),
    )  # fmt: skip
    files = attendance.DataImport.objects.create(
        clinic=clinic, uploaded_by=user, files=["patients.csv"], digest="0" * 64, content=b"PK"
    )
    return _filed(record, flag, attempt, note, report, delivery, result, files)


def _inputs(kind: scheduling.SessionType) -> dict[str, Any]:
    """What a night writes beside a week: one day of an hour, judged by nine hours on three days."""
    day = {"local_date": DAY.isoformat(), "session_type_id": kind.pk, "credited": 60}
    terms = {
        "minimum": 540, "maximum": 1200, "day_threshold": 180, "days": 3, "services_per_day": 0,
        "basis": "credited", "counted_types": [], "prorate": False,
    }  # fmt: skip
    return {
        "days": [{**day, "scheduled": 60, "attended": 60, "services": 1}],
        "terms": terms,
        "share": [1, 1],
        "plan": None,
        "holds": [],
    }
