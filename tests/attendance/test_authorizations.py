"""Authorizations that end, run out or are missing, read from real bookings and records."""

import datetime

import pytest

from attendance.compliance.cases import resolve
from attendance.models import CreditRule, Standard
from attendance.models.standards import Severity
from patients.models import Level, TreatmentPlan
from scheduling.models import Closure
from tests.attendance.house import FRI, MON, THU, TUE, WED
from tests.attendance.papers import DAY, JAN_5, TODAY, Kind, Office, look, save

pytestmark = pytest.mark.django_db

NOTICE, WATCH, ACT = Severity.NOTICE, Severity.WATCH, Severity.ACT
RULE = Kind.AUTHORIZATION_ENDING
FAR = TODAY + 60 * DAY


@pytest.fixture
def office():
    return Office()


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (8, []),
        (7, [("open", "ahead", NOTICE)]),
        (4, [("open", "ahead", NOTICE)]),
        (3, [("open", "near", WATCH)]),
        (2, [("open", "near", WATCH)]),
        (1, [("open", "now", ACT)]),
        (0, [("open", "now", ACT)]),
        (-1, [("open", "over", ACT)]),
        (-40, [("open", "over", ACT)]),
    ],
)
def test_seven_three_and_one_day_before(office, days, told):
    office.authorized(office.seen(), TODAY + days * DAY)
    assert office.found(RULE) == told


def test_it_is_one_case_until_it_is_renewed(office):
    pat = office.seen()
    row = office.authorized(pat, TODAY)
    told = [office.found(RULE, TODAY + n * DAY) for n in (-8, -7, -4, -3, -1, 0)]
    assert [stage for one in told for _, stage, _ in one] == [
        "ahead", "ahead", "near", "now", "now",
    ]  # fmt: skip
    flag = office.only(RULE)
    assert (flag.evidence_key, flag.owner_role) == (str(row.pk), "utilization_review")
    office.authorized(pat, FAR, payer=row.payer, starts_on=TODAY + DAY)
    assert office.found(RULE, TODAY + DAY) == [("closed", "now", ACT)]
    assert office.only(RULE).outcome_note == "The authorization is renewed or no longer needed."


def test_one_that_has_ended_is_a_case_of_its_own(office):
    row = office.authorized(office.seen(), TODAY)
    office.morning_of(TODAY)
    assert office.found(RULE, TODAY + DAY) == [("closed", "now", ACT), ("open", "over", ACT)]
    quieter, over = office.flags(RULE)
    assert (quieter.closed_by_facts, over.evidence_key) == (True, f"{row.pk}:over")
    assert quieter.outcome_note == (
        "The authorization has ended or is used up: that is a case of its own."
    )
    assert over.due_at == office.at(THU, "17:00")


def test_what_was_settled_early_does_not_silence_its_end(office):
    pat = office.seen()
    office.authorized(pat, FAR, units=2)
    attended(office, pat, MON)
    office.morning_of(TUE)
    resolve(flag=office.only(RULE), outcome="other", note="Asked for more", by=office.user)
    attended(office, pat, TUE)
    assert office.found(RULE) == [("closed", "near", WATCH), ("open", "over", ACT)]
    assert office.found(RULE, THU) == [("closed", "near", WATCH), ("open", "over", ACT)]


def test_more_units_lead_back_to_the_first_case(office):
    pat = office.seen()
    row = office.authorized(pat, TODAY, units=1)
    office.morning_of(MON)
    attended(office, pat, MON)
    assert office.found(RULE, TUE) == [("closed", "near", WATCH), ("open", "over", ACT)]
    save(row, units=9)
    assert office.found(RULE) == [("open", "now", ACT), ("closed", "over", ACT)]


def test_every_stage_is_told_again_and_no_day_between(office):
    office.authorized(office.seen(), TODAY)
    told = []
    for n in range(-7, 1):
        office.morning_of(TODAY + n * DAY)
        told.append(office.only(RULE).changed_at)
    assert len(set(told)) == 3
    assert told[0] == told[3] < told[4] == told[5] < told[6] == told[7]


def test_it_is_due_on_the_business_day_before_its_end(office):
    office.authorized(office.seen(), TODAY + 4 * DAY)  # a Sunday
    office.morning_of(TODAY)
    assert office.only(RULE).due_at == office.at(FRI, "17:00")


@pytest.mark.parametrize("ends_on", [THU, FRI, TODAY + 8 * DAY])
def test_a_date_that_moves_moves_what_is_due(office, ends_on):
    row = office.authorized(office.seen(), TODAY + 7 * DAY)
    office.morning_of(TODAY)
    assert office.only(RULE).due_at == office.at(TODAY + 7 * DAY, "17:00")
    save(row, ends_on=ends_on)
    office.morning_of(THU)
    flag = office.only(RULE)
    assert flag.due_at == office.at(ends_on, "17:00")
    assert flag.changed_at == office.morning(WED)


def test_units_that_run_out_sooner_are_due_sooner(office):
    pat = office.seen()
    row = office.authorized(pat, TODAY + 7 * DAY, units=3)
    office.morning_of(TODAY)
    for day in (THU, FRI, FRI + 3 * DAY):
        office.day(day, [pat])
    save(row, units=2)
    office.morning_of(THU)
    flag = office.only(RULE)
    assert (flag.due_at, flag.evidence["runs_out_on"]) == (office.at(FRI, "17:00"), "2026-03-06")


@pytest.mark.parametrize(("ends_on", "state"), [(FRI, "open"), (TODAY + 6 * DAY, "snoozed")])
def test_a_case_put_off_wakes_where_it_is_due_before(office, ends_on, state):
    row = office.authorized(office.seen(), TODAY + 7 * DAY)
    office.morning_of(TODAY)
    save(office.only(RULE), state="snoozed", snoozed_until=TODAY + 6 * DAY)
    save(row, ends_on=ends_on)
    office.morning_of(THU)
    flag = office.only(RULE)
    assert (flag.state, flag.due_at) == (state, office.at(ends_on, "17:00"))


@pytest.mark.parametrize(
    ("starts_on", "opened"),
    [("2026-03-07", 0), ("2026-03-09", 0), ("2026-03-10", 1)],
    ids=["Saturday", "Monday", "Tuesday"],
)
def test_another_follows_by_the_next_business_day(office, starts_on, opened):
    pat = office.seen()
    row = office.authorized(pat, FRI)
    begins = datetime.date.fromisoformat(starts_on)
    office.authorized(pat, FAR, payer=row.payer, starts_on=begins)
    told = office.found(RULE)
    assert len(told) == opened


def test_a_gap_names_when_the_next_one_begins(office):
    pat = office.seen()
    row = office.authorized(pat, TUE)
    office.authorized(pat, FAR, payer=row.payer, starts_on=TODAY + 9 * DAY)
    office.morning_of(TODAY)
    assert office.only(RULE).sentence == (
        f"{row.payer} A1: ended on Tue Mar 3; 30 of 30 days left; "
        "the next one begins on Fri Mar 13."
    )


def test_a_closed_day_is_no_gap(office):
    pat = office.seen()
    row = office.authorized(pat, WED)
    office.authorized(pat, FAR, payer=row.payer, starts_on=FRI)
    assert len(office.found(RULE)) == 1
    Closure.objects.create(clinic=office.clinic, starts_on=THU, ends_on=THU, reason="Holiday")
    assert office.found(RULE)[0][0] == "closed"


# Units


def attended(office, pat, *days, **facts):
    for day in days:
        office.day(day, [pat])
        office.came(pat, day, **facts)


def test_days_that_qualify_are_units(office):
    pat = office.seen()
    office.authorized(pat, FAR, units=4)
    attended(office, pat, MON)
    office.day(TUE, [pat])
    office.came(pat, TUE, left="12:19")
    assert office.found(RULE) == [("open", "near", WATCH)]
    flag = office.only(RULE)
    assert (flag.evidence["used"], flag.evidence["left"]) == (1, 3)


def test_four_units_left_are_enough(office):
    pat = office.seen()
    office.authorized(pat, FAR, units=5)
    attended(office, pat, MON)
    assert office.found(RULE) == []


def test_an_exhausted_one_is_over_and_more_units_settle_it(office):
    pat = office.seen()
    row = office.authorized(pat, FAR, units=2)
    attended(office, pat, MON, TUE)
    assert office.found(RULE) == [("open", "over", ACT)]
    assert office.only(RULE).sentence == f"{row.payer} A1: ends on Sun May 3; 0 of 2 days left."
    save(row, units=12)
    assert office.found(RULE) == [("closed", "over", ACT)]


def test_the_projection_says_when_they_run_out(office):
    pat = office.seen()
    row = office.authorized(pat, FAR, units=5)
    attended(office, pat, MON)
    for n in range(1, 6):
        office.day(TODAY + n * DAY, [pat])
    assert office.found(RULE) == [("open", "ahead", NOTICE)]
    assert office.only(RULE).sentence == (
        f"{row.payer} A1: ends on Sun May 3; 4 of 5 days left; by what is booked they run out on "
        "Sun Mar 8, 56 days early."
    )
    save(row, units=6)
    assert office.found(RULE) == [("closed", "ahead", NOTICE)]


def test_a_roster_that_is_not_in_counts_for_the_projection_only(office):
    pat = office.seen()
    office.authorized(pat, FAR, units=4)
    office.day(MON, [pat])
    for n in range(1, 4):
        office.day(TODAY + n * DAY, [pat])
    assert office.found(RULE) == []
    office.day(TODAY + 4 * DAY, [pat])
    assert office.found(RULE) == [("open", "ahead", NOTICE)]
    assert office.only(RULE).evidence["left"] == 4


@pytest.mark.parametrize("state", ["released", "withdrawn"])
def test_who_will_not_come_needs_no_unit(office, state):
    pat = office.seen()
    office.authorized(pat, FAR, units=4)
    extra = {"withdrawn_reason": "Plan"} if state == "withdrawn" else {}
    for n in range(5):
        session = office.day(TODAY + n * DAY, [pat], state="released")
        session.bookings.update(state=state, **extra)
    assert office.found(RULE) == []


def test_visits_and_hours(office):
    pat = office.seen()
    payer = office.payer(needs_authorization=True)
    other = office.payer(needs_authorization=True)
    office.authorized(pat, FAR, payer=payer, unit="visit", units=6)
    office.authorized(pat, FAR, payer=other, unit="hour", units=9)
    attended(office, pat, MON, TUE)
    office.morning_of(TODAY)
    told = {f.evidence["unit"]: (f.evidence["used"], f.evidence["left"]) for f in office.flags()}
    # The half hour of the admission is a visit, and half an hour; two days are six hours.
    assert told == {"visit": (3, 3), "hour": (6, 2)}


def test_a_day_is_what_the_payers_own_standard_calls_one(office):
    payer = office.payer(needs_authorization=True)
    Standard.objects.create(
        clinic=office.clinic, name="Payer", source=2, payer=payer, day_threshold=120,
        prorate=False, starts_on=JAN_5,
    )  # fmt: skip
    pat = office.seen()
    office.authorized(pat, FAR, payer=payer, units=4)
    attended(office, pat, MON, left="11:10")
    assert office.found(RULE) == [("open", "near", WATCH)]


def test_a_credit_rule_that_rounds_down_makes_no_day(office):
    CreditRule.objects.filter(clinic=office.clinic).update(kind="round_down", round_to=15)
    pat = office.seen()
    office.authorized(pat, FAR, units=4)
    attended(office, pat, MON, left="12:15")
    assert office.found(RULE) == []


def test_an_evening_in_the_west_is_the_clinics_date():
    office = Office(zone="America/Los_Angeles")
    pat = office.seen()
    office.authorized(pat, FAR, units=4, starts_on=MON)
    office.day(MON, [pat], "18:00", "21:00")
    office.came(pat, MON)
    assert office.found(RULE) == [("open", "near", WATCH)]


# Who needs one


def test_a_payer_that_needs_none_is_not_asked(office):
    office.authorized(office.seen(), MON, payer=office.payer())
    assert office.found(RULE) == []


def test_a_payer_that_needs_one_and_has_none(office):
    pat = office.seen()
    payer = office.payer(needs_authorization=True)
    office.insured(pat, payer)
    assert office.found(RULE) == [("open", "none", ACT)]
    flag = office.only(RULE)
    assert flag.evidence_key == f"none:{payer.pk}"
    assert flag.sentence == f"{payer} needs an authorization, and none is in force."
    office.authorized(pat, FAR, payer=payer, starts_on=TODAY)
    assert office.found(RULE) == [("closed", "none", ACT)]


@pytest.mark.parametrize(("begins", "opened"), [(THU, 0), (FRI, 1)])
def test_the_first_one_may_begin_on_the_next_business_day(office, begins, opened):
    pat = office.seen()
    payer = office.payer(needs_authorization=True)
    office.insured(pat, payer)
    office.authorized(pat, FAR, payer=payer, starts_on=begins)
    assert len(office.found(RULE)) == opened


def test_a_lapsed_one_is_one_case_and_not_two(office):
    pat = office.seen()
    row = office.authorized(pat, MON)
    office.insured(pat, row.payer)
    assert office.found(RULE) == [("open", "over", ACT)]


def test_a_payer_who_was_left_is_not_asked_any_more(office):
    pat = office.seen()
    row = office.authorized(pat, MON)
    office.insured(pat, row.payer, ends_on=MON)
    office.insured(pat, starts_on=TUE)
    assert office.found(RULE) == []


def test_a_change_of_level_needs_another(office):
    pat = office.seen()
    row = office.authorized(pat, FAR, level=Level.PHP)
    office.insured(pat, row.payer)
    assert office.found(RULE) == [("open", "none", ACT)]
    save(pat.plans.get(), ends_on=TUE)
    TreatmentPlan.objects.create(
        clinic=office.clinic, episode=pat, level=Level.PHP, weekly_minutes_target=1200,
        starts_on=WED,
    )  # fmt: skip
    assert office.found(RULE) == [("closed", "none", ACT)]


def test_two_insurances_in_force(office):
    pat = office.seen()
    first, second = (office.payer(needs_authorization=True) for _ in range(2))
    for payer in (first, second, office.payer()):
        office.insured(pat, payer)
    office.authorized(pat, FAR, payer=first)
    office.morning_of(TODAY)
    assert office.only(RULE).evidence_key == f"none:{second.pk}"


def test_clinics_do_not_share_units():
    here, there = Office(), Office()
    people = [office.seen() for office in (here, there)]
    for office, pat in zip((here, there), people, strict=True):
        office.authorized(pat, FAR, units=4)
    attended(here, people[0], MON)
    look(here, there)
    assert (len(here.flags(RULE)), len(there.flags(RULE))) == (1, 0)


@pytest.mark.parametrize(("units", "told"), [(6, []), (5, [("open", "ahead", NOTICE)])])
def test_one_long_session_may_be_more_than_what_is_left(office, units, told):
    """Six hours at once: the first look, which counts sessions only, must not leave it out."""
    pat = office.seen(TODAY - DAY)
    office.authorized(pat, FAR, unit="hour", units=units, starts_on=TODAY)
    office.day(THU, [pat], "09:00", "15:00", breaks=[])
    assert office.found(RULE) == told
