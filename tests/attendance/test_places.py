"""Licenses, caseloads and groups: who and what carries the clinic."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from attendance.models.standards import Severity
from iop_clinic.accounts.models import Clinic, License
from scheduling.models import GroupMembership, WeeklyBlock
from tests import factories as f
from tests.attendance.house import FRI, MON, TUE, WED
from tests.attendance.papers import DAY, JAN_5, TODAY, Kind, Office, look, save

pytestmark = pytest.mark.django_db

NOTICE, WATCH, ACT = Severity.NOTICE, Severity.WATCH, Severity.ACT


@pytest.fixture
def office():
    return Office()


# Licenses


def licensed(office, expires_on, **extra):
    therapist = extra.pop("therapist", None) or f.TherapistFactory(clinic=office.clinic)
    return f.LicenseFactory(therapist=therapist, expires_on=expires_on, **extra)


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (31, []),
        (30, [("open", "ahead", NOTICE)]),
        (8, [("open", "ahead", NOTICE)]),
        (7, [("open", "near", WATCH)]),
        (1, [("open", "near", WATCH)]),
        (0, [("open", "now", ACT)]),
        (-1, [("open", "over", ACT)]),
    ],
)
def test_a_license_counts_down(office, days, told):
    licensed(office, TODAY + days * DAY)
    assert office.found(Kind.LICENSE_ENDING) == told


def test_the_administrator_renews_it(office):
    row = licensed(office, TODAY + 5 * DAY)
    office.morning_of(TODAY)
    flag = office.only(Kind.LICENSE_ENDING)
    assert (flag.therapist, flag.owner_role) == (row.therapist, "administrator")
    assert flag.sentence == (
        f"{row.therapist.name}: the license ends on Mon Mar 9, and no other is valid for longer."
    )
    License.objects.filter(pk=row.pk).update(expires_on=TODAY + 365 * DAY)
    assert office.found(Kind.LICENSE_ENDING) == [("closed", "near", WATCH)]


def test_another_license_that_is_valid_for_longer_is_enough(office):
    row = licensed(office, TODAY + 5 * DAY)
    licensed(office, TODAY + 200 * DAY, therapist=row.therapist, state="CT")
    assert office.found(Kind.LICENSE_ENDING) == []


def test_one_of_another_state_is_not(office):
    Clinic.objects.filter(pk=office.clinic.pk).update(state="NY")
    row = licensed(office, TODAY + 5 * DAY)
    licensed(office, TODAY + 200 * DAY, therapist=row.therapist, state="CT")
    assert office.found(Kind.LICENSE_ENDING) == [("open", "near", WATCH)]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["LCSW"], [("open", "near", WATCH)]),
        (["LCSW", "LADC"], []),
        (["LMFT"], []),
        ([], []),
    ],
)
def test_one_of_another_credential_is_enough_where_the_type_asks_for_it(office, asked, told):
    row = licensed(office, TODAY + 5 * DAY)
    licensed(office, TODAY + 200 * DAY, therapist=row.therapist, credential="ladc")
    kind = f.SessionTypeFactory(clinic=office.clinic, credentials=asked)
    f.WeeklyBlockFactory(group=office.group, session_type=kind, facilitator=row.therapist)
    assert office.found(Kind.LICENSE_ENDING) == told


def test_who_has_left_needs_no_license(office):
    row = licensed(office, TODAY)
    save(row.therapist, active=False)
    assert office.found(Kind.LICENSE_ENDING) == []


# Caseloads


def caseload(office, count, *, on=JAN_5, **extra):
    extra.setdefault("primary_therapist", office.therapist)
    return [office.patient(on, seat=None, **extra) for _ in range(count)]


@pytest.mark.parametrize(("count", "opened"), [(24, 0), (25, 1)])
def test_more_than_24_patients_are_too_many(office, count, opened):
    caseload(office, count)
    look(office)
    assert len(office.flags(Kind.CASELOAD)) == opened


def test_a_therapist_may_have_a_lower_limit_of_their_own(office):
    save(office.therapist, max_caseload=2)
    people = [*caseload(office, 2), *caseload(office, 1, on=MON)]
    assert office.found(Kind.CASELOAD) == [("open", "", WATCH)]
    flag = office.only(Kind.CASELOAD)
    assert (flag.evidence_key, flag.therapist) == ("over:2026-03-02", office.therapist)
    assert flag.sentence == (
        f"{office.therapist.name} is the primary therapist of 3 patients in treatment; "
        "the limit is 2."
    )
    save(people[0], state="discharged", discharged_on=WED, discharge_reason="completed")
    assert office.found(Kind.CASELOAD, TODAY + DAY) == [("closed", "", WATCH)]


def test_the_next_time_over_the_limit_is_another_case(office):
    save(office.therapist, max_caseload=1)
    first, _ = caseload(office, 2)
    office.morning_of(TODAY)
    save(first, state="discharged", discharged_on=TODAY, discharge_reason="completed")
    office.morning_of(TODAY + DAY)
    caseload(office, 1, on=TODAY + 5 * DAY)
    office.morning_of(TODAY + 5 * DAY)
    told = [(flag.evidence_key, flag.state) for flag in office.flags(Kind.CASELOAD)]
    assert told == [("over:2026-01-05", "closed"), ("over:2026-03-09", "open")]


def test_a_patient_on_hold_stays_on_the_caseload(office):
    save(office.therapist, max_caseload=1)
    one, _ = caseload(office, 2)
    save(one, state="on_hold")
    assert office.found(Kind.CASELOAD) == [("open", "", WATCH)]


# Groups


def members(office, *stays):
    """A group viable from two, met since January 5, with a member for each (first, last)."""
    save(office.group, min_size=2)
    for seat, (first, last) in enumerate(stays, start=1):
        episode = office.patient(JAN_5, seat=None, primary_therapist=None)
        GroupMembership.objects.create(
            clinic=office.clinic, group=office.group, episode=episode, seat=seat,
            starts_on=first, ends_on=last,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("stays", "key"),
    [
        ([(JAN_5, None), (JAN_5, None)], None),
        ([(JAN_5, None), (JAN_5, TODAY)], None),
        ([(JAN_5, None), (JAN_5, TODAY - DAY)], "small:2026-03-04"),
        ([(JAN_5, None), (JAN_5, MON)], "small:2026-03-03"),
        ([(JAN_5, None), (TODAY, None)], None),
        ([(JAN_5, None), (TODAY + DAY, None)], "small:2026-01-05"),
        ([(JAN_5, MON), (JAN_5, MON)], "small:2026-03-03"),
        ([], None),
    ],
    ids=[
        "two", "the last day is inside", "one left yesterday", "one left on Monday",
        "one begins today", "one begins tomorrow", "all left", "never had a member",
    ],
)  # fmt: skip
def test_a_group_under_its_size(office, stays, key):
    members(office, *stays)
    office.morning_of(TODAY)
    assert [flag.evidence_key for flag in office.flags(Kind.GROUP_TOO_SMALL)] == [key] * bool(key)


def test_one_case_for_a_spell_however_long(office):
    members(office, (JAN_5, None), (JAN_5, MON))
    for n in (0, 1, 30, 60):
        office.morning_of(TODAY + n * DAY)
    flag = office.only(Kind.GROUP_TOO_SMALL)
    assert (flag.group, flag.state, flag.version) == (office.group, "open", 1)
    assert flag.sentence == (
        f"{office.group} has 1 member; it is viable from 2, and under that since Tue Mar 3."
    )


def test_a_new_member_settles_it_and_the_next_spell_is_another_case(office):
    members(office, (JAN_5, None), (JAN_5, MON), (FRI, FRI))
    told = {}
    for today in (TODAY, FRI, FRI + DAY):
        office.morning_of(today)
        told = {f.evidence_key: f.state for f in office.flags(Kind.GROUP_TOO_SMALL)}
    assert told == {"small:2026-03-03": "closed", "small:2026-03-07": "open"}


def test_a_group_that_does_not_meet_is_not_asked(office):
    members(office, (JAN_5, None))
    WeeklyBlock.objects.filter(group=office.group).update(valid_until=TUE)
    assert office.found(Kind.GROUP_TOO_SMALL) == []
    WeeklyBlock.objects.filter(group=office.group).update(valid_until=None)
    save(office.group, active=False)
    assert office.found(Kind.GROUP_TOO_SMALL) == []


# Several clinics


def wrong(office, number):
    for _ in range(number):
        licensed(office, TODAY)
        therapist = f.TherapistFactory(clinic=office.clinic, max_caseload=1)
        caseload(office, 2, primary_therapist=therapist)
        group = f.GroupFactory(clinic=office.clinic)
        f.WeeklyBlockFactory(group=group)
        GroupMembership.objects.create(
            clinic=office.clinic, group=group, seat=1, starts_on=JAN_5,
            episode=office.patient(JAN_5, seat=None, primary_therapist=None),
        )  # fmt: skip


def test_two_clinics_never_mix():
    here, there = Office(), Office()
    wrong(here, 1)
    look(here, there)
    told = {flag.rule for flag in here.flags()}
    assert told >= {Kind.LICENSE_ENDING, Kind.CASELOAD, Kind.GROUP_TOO_SMALL}
    assert there.flags() == []
    assert {f.clinic_id for f in here.flags()} == {here.clinic.pk}


def statements(*offices):
    with CaptureQueriesContext(connection) as captured:
        look(*offices)
    return len(captured) - len(offices)  # the test reads each clinic's settings


@pytest.mark.parametrize(("clinics", "number"), [(1, 8), (3, 1)])
def test_as_many_statements_for_any_number_of_places_and_clinics(clinics, number):
    few, many = Office(), [Office() for _ in range(clinics)]
    wrong(few, 1)
    for office in many:
        wrong(office, number)
    assert statements(*many) == statements(few)
    found = sum(len(office.flags(Kind.CASELOAD)) for office in many)
    assert found == clinics * number
