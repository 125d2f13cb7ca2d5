"""Papers of patients in treatment: what is due, when it is told, what settles it."""

import datetime

import pytest

from attendance.models.standards import Severity
from patients.models import AgeBracket, Certification, TreatmentPlan
from scheduling.models import Closure
from tests import factories as f
from tests.attendance.house import FRI, MON, THU, TUE
from tests.attendance.papers import DAY, JAN_5, TODAY, Kind, Office, save

pytestmark = pytest.mark.django_db

NOTICE, WATCH, ACT = Severity.NOTICE, Severity.WATCH, Severity.ACT


@pytest.fixture
def office():
    return Office()


def test_papers_in_order_open_nothing(office):
    pat = office.seen()
    payer = office.payer(needs_authorization=True, certification_days=60)
    office.insured(pat, payer, verification_due_on=TODAY, verified_on=TODAY - 3 * DAY)
    office.authorized(pat, TODAY + 8 * DAY, payer=payer)
    certified(office, pat, TODAY - DAY)
    save(pat.plans.get(), review_due_on=TODAY + 8 * DAY)
    office.morning_of(TODAY)
    assert office.flags() == []


# The first session


@pytest.mark.parametrize(
    ("today", "opened"), [("2026-03-03", 0), ("2026-03-04", 0), ("2026-03-05", 1)]
)
def test_two_business_days_without_a_session(office, today, opened):
    office.patient(MON, seat=None)
    office.morning_of(today)
    assert len(office.flags(Kind.NO_FIRST_SESSION)) == opened


@pytest.mark.parametrize(
    ("judged", "opened"), [("2026-03-09", 0), ("2026-03-10", 1)], ids=["Monday", "Tuesday"]
)
def test_a_weekend_is_no_time_to_be_seen(office, judged, opened):
    office.patient(FRI, seat=None)
    office.night(datetime.date.fromisoformat(judged))
    assert len(office.flags(Kind.NO_FIRST_SESSION)) == opened


def test_a_closed_day_is_no_time_to_be_seen(office):
    Closure.objects.create(clinic=office.clinic, starts_on=TUE, ends_on=TUE, reason="Snow")
    office.patient(MON, seat=None)
    assert office.found(Kind.NO_FIRST_SESSION, THU) == []
    assert office.found(Kind.NO_FIRST_SESSION, FRI) == [("open", "", ACT)]


def test_it_says_what_is_booked_and_closes_with_the_first_session(office):
    pat = office.patient(MON, seat=None)
    office.morning_of(THU)
    flag = office.only(Kind.NO_FIRST_SESSION)
    assert flag.sentence == ("Admitted on Mon Mar 2, and no session attended yet; none is booked.")
    office.day(THU, [pat])
    office.morning_of(THU)
    flag.refresh_from_db()
    assert flag.sentence.endswith("; the next one is booked for Thu Mar 5.")
    office.came(pat, THU)
    office.morning_of(FRI)
    flag.refresh_from_db()
    assert (flag.state, flag.outcome_note) == ("closed", "The patient has a session.")


def test_a_missed_session_is_no_session(office):
    pat = office.patient(MON, seat=None)
    office.day(TUE, [pat])
    office.missed(pat, TUE)
    assert office.found(Kind.NO_FIRST_SESSION, THU) == [("open", "", ACT)]


def test_a_roster_that_is_not_in_may_hold_the_session(office):
    pat = office.patient(MON, seat=None)
    office.day(TUE, [pat])
    assert office.found(Kind.NO_FIRST_SESSION, THU) == []


def test_a_case_stays_open_however_long_it_takes(office):
    office.patient(MON, seat=None)
    office.morning_of(THU)
    assert office.found(Kind.NO_FIRST_SESSION, MON + 60 * DAY) == [("open", "", ACT)]


# Plans


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (8, []),
        (7, [("open", "ahead", NOTICE)]),
        (1, [("open", "ahead", NOTICE)]),
        (0, [("open", "now", ACT)]),
        (-1, [("open", "over", ACT)]),
    ],
)
def test_a_review_is_told_seven_days_before(office, days, told):
    save(office.seen().plans.get(), review_due_on=TODAY + days * DAY)
    assert office.found(Kind.PLAN_DUE) == told


def test_a_review_is_due_on_its_day_and_settled_by_the_next_date(office):
    plan = office.seen().plans.get()
    save(plan, review_due_on=TODAY + 4 * DAY)  # a Sunday
    office.morning_of(TODAY)
    flag = office.only(Kind.PLAN_DUE)
    assert flag.sentence == "The treatment plan is to be reviewed by Sun Mar 8."
    assert (flag.due_at, flag.owner) == (office.at(FRI, "17:00"), office.user)
    save(plan, review_due_on=TODAY + 30 * DAY)
    assert office.found(Kind.PLAN_DUE) == [("closed", "ahead", NOTICE)]


def test_one_case_grows_louder_and_is_told_again_by_stage_only(office):
    save(office.seen().plans.get(), review_due_on=TODAY + DAY)
    office.morning_of(TODAY - DAY)
    before = office.only(Kind.PLAN_DUE)
    office.morning_of(TODAY)
    assert office.only(Kind.PLAN_DUE).version == before.version
    office.morning_of(TODAY + DAY)
    after = office.only(Kind.PLAN_DUE)
    assert (after.evidence["stage"], after.severity) == ("now", ACT)
    assert after.changed_at > before.changed_at


def test_an_episode_without_a_plan_is_seen(office):
    pat = office.seen()
    save(pat.plans.get(), ends_on=MON)
    office.morning_of(TODAY)
    flag = office.only(Kind.PLAN_DUE)
    assert (flag.evidence_key, flag.severity) == ("none:2026-03-03", ACT)
    assert flag.sentence == "No treatment plan in force since Tue Mar 3: no week is judged."
    new = {"weekly_minutes_target": 540, "starts_on": TODAY, "episode": pat}
    TreatmentPlan.objects.create(clinic=office.clinic, **new)
    office.morning_of(TODAY + DAY)
    flag.refresh_from_db()
    assert (flag.state, flag.outcome_note) == ("closed", "The plan is in force.")


def test_an_episode_that_never_had_a_plan(office):
    office.seen().plans.all().delete()
    office.morning_of(TODAY)
    assert office.only(Kind.PLAN_DUE).evidence_key == "none:2026-01-05"


def test_a_plan_that_ends_before_its_review_needs_none(office):
    save(office.seen().plans.get(), review_due_on=TODAY + 3 * DAY, ends_on=TODAY + 2 * DAY)
    assert office.found(Kind.PLAN_DUE) == []


# Insurance


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (4, []),
        (3, [("open", "ahead", NOTICE)]),
        (0, [("open", "now", ACT)]),
        (-9, [("open", "over", ACT)]),
    ],
)
def test_a_verification_is_told_three_days_before(office, days, told):
    office.insured(office.seen(), verification_due_on=TODAY + days * DAY)
    assert office.found(Kind.VERIFICATION_DUE) == told


def test_a_verified_insurance_settles_the_case(office):
    coverage = office.insured(office.seen(), verification_due_on=TODAY)
    office.morning_of(TODAY)
    flag = office.only(Kind.VERIFICATION_DUE)
    assert flag.sentence == f"{coverage.payer}: the insurance is to be verified by Wed Mar 4."
    assert flag.owner_role == "utilization_review"
    save(coverage, verified_on=TODAY)
    assert office.found(Kind.VERIFICATION_DUE) == [("closed", "now", ACT)]


def test_the_next_date_asks_for_a_verification_again(office):
    coverage = office.insured(office.seen(), verification_due_on=TODAY, verified_on=TODAY - 4 * DAY)
    office.morning_of(TODAY)
    flag = office.only(Kind.VERIFICATION_DUE)
    assert flag.sentence == (
        f"{coverage.payer}: the insurance is to be verified again by Wed Mar 4."
    )
    save(coverage, verified_on=TODAY - 3 * DAY)
    assert office.found(Kind.VERIFICATION_DUE) == [("closed", "now", ACT)]


def test_an_insurance_that_has_ended_or_not_begun_needs_no_verification(office):
    pat = office.seen()
    office.insured(pat, verification_due_on=MON, ends_on=TUE)
    office.insured(pat, verification_due_on=MON, starts_on=THU)
    assert office.found(Kind.VERIFICATION_DUE) == []


def test_two_insurances_are_two_cases(office):
    pat = office.seen()
    office.insured(pat, verification_due_on=TODAY)
    office.insured(pat, verification_due_on=TODAY - DAY)
    told = office.found(Kind.VERIFICATION_DUE)
    assert sorted(told) == [("open", "now", ACT), ("open", "over", ACT)]


# Certification


def certified(office, pat, on, *, again=None):
    return Certification.objects.create(
        clinic=office.clinic, episode=pat, certified_on=on, due_again_on=again or on + 60 * DAY
    )


def medicare(office, **extra):
    pat = office.seen(**extra)
    office.insured(pat, office.payer(name="Medicare", certification_days=60))
    return pat


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (15, []),
        (14, [("open", "ahead", NOTICE)]),
        (8, [("open", "ahead", NOTICE)]),
        (7, [("open", "near", WATCH)]),
        (1, [("open", "near", WATCH)]),
        (0, [("open", "now", ACT)]),
        (-1, [("open", "over", ACT)]),
    ],
)
def test_a_certification_counts_down(office, days, told):
    pat = medicare(office)
    certified(office, pat, JAN_5, again=JAN_5 + DAY)  # the last one counts
    certified(office, pat, TODAY - 60 * DAY + days * DAY)
    assert office.found(Kind.CERTIFICATION_DUE) == told


def test_without_any_it_is_due_from_the_admission_on(office):
    pat = medicare(office, on=TODAY - DAY)
    office.morning_of(TODAY)
    flag = office.only(Kind.CERTIFICATION_DUE)
    assert flag.sentence == "Medicare: the need for this level is to be certified by Tue Mar 3."
    certified(office, pat, TODAY)
    office.morning_of(TODAY)
    flag.refresh_from_db()
    assert (flag.state, flag.outcome_note) == ("closed", "The need is certified.")


def test_a_payer_allows_no_later_date_than_its_own(office):
    pat = medicare(office)
    certified(office, pat, TODAY - 60 * DAY, again=TODAY + 30 * DAY)
    office.morning_of(TODAY)
    assert office.only(Kind.CERTIFICATION_DUE).sentence == (
        "Medicare: the need for this level is to be certified again by Wed Mar 4."
    )


def test_of_two_payers_the_stricter_one(office):
    pat = medicare(office)
    office.insured(pat, office.payer(name="Strict", certification_days=30))
    certified(office, pat, TODAY - 30 * DAY)
    office.morning_of(TODAY)
    assert office.only(Kind.CERTIFICATION_DUE).sentence.startswith("Strict: ")


def test_other_payers_ask_for_none(office):
    office.insured(office.seen(), office.payer())
    assert office.found(Kind.CERTIFICATION_DUE) == []


# Age


def born(office, birthday, **extra):
    patient = f.PatientFactory(clinic=office.clinic, birth_date=birthday)
    return office.seen(patient=patient, **extra)


YOUNG = {"bracket": AgeBracket.ADOLESCENT, "target": 360}


@pytest.mark.parametrize(
    ("birthday", "told"),
    [
        ((2008, 4, 4), []),
        ((2008, 4, 3), [("open", "ahead", NOTICE)]),
        ((2008, 3, 5), [("open", "ahead", NOTICE)]),
        ((2008, 3, 4), [("open", "now", ACT)]),
        ((2000, 1, 1), [("open", "over", ACT)]),
    ],
    ids=["31 days", "30 days", "tomorrow", "today", "long ago"],
)
def test_a_birthday_crosses_the_bracket(office, birthday, told):
    born(office, datetime.date(*birthday), **YOUNG)
    assert office.found(Kind.AGE_BRACKET) == told


def test_it_says_from_which_week_on(office):
    born(office, datetime.date(2008, 3, 12), **YOUNG)
    office.morning_of(TODAY)
    assert office.only(Kind.AGE_BRACKET).sentence == (
        "18 years old on Thu Mar 12 with an adolescent's plan: from the week of Mon Mar 16 the "
        "adult minimum judges."
    )


def test_an_adults_plan_from_that_week_on_settles_it(office):
    pat = born(office, datetime.date(2008, 3, 12), **YOUNG)
    office.morning_of(TODAY)
    save(pat.plans.get(), ends_on=datetime.date(2026, 3, 15))
    later = {"episode": pat, "weekly_minutes_target": 540, "clinic": office.clinic}
    TreatmentPlan.objects.create(**later, starts_on=datetime.date(2026, 3, 16))
    assert office.found(Kind.AGE_BRACKET) == [("closed", "ahead", NOTICE)]


@pytest.mark.parametrize(("birthday", "opened"), [((2008, 3, 11), 0), ((2008, 3, 12), 1)])
def test_an_adults_plan_for_a_minor(office, birthday, opened):
    born(office, datetime.date(*birthday))
    assert len(office.found(Kind.AGE_BRACKET)) == opened


def test_the_clinic_says_when_adolescence_ends():
    office = Office(adult_at=21)
    born(office, datetime.date(2005, 3, 20), **YOUNG)
    born(office, datetime.date(2008, 3, 20), **YOUNG)
    office.morning_of(TODAY)
    assert office.only(Kind.AGE_BRACKET).sentence.startswith("21 years old on Fri Mar 20")


def test_born_on_february_29(office):
    born(office, datetime.date(2008, 2, 29), **YOUNG)
    assert office.found(Kind.AGE_BRACKET, datetime.date(2026, 2, 28))[0][1] == "ahead"
    assert office.found(Kind.AGE_BRACKET, datetime.date(2026, 3, 1))[0][1] == "now"
