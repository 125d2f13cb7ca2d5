"""What a make-up repairs, worked out by hand.

The week asks for 9 h and 3 days of 3 h. Sessions of the type 1 count; times are those of one clinic
in UTC, because these rules read no clock.
"""

import datetime
from dataclasses import replace
from typing import Any

import pytest

from attendance.compliance.rules.make_ups import (
    Need,
    Offer,
    combination,
    effect,
    rank,
    standing,
)
from attendance.compliance.rules.weeks import WHOLE_WEEK, Basis, DayMinutes, StandardTerms

MON, TUE, WED, THU, FRI, SAT = (datetime.date(2026, 3, n) for n in range(2, 8))
ADULT = StandardTerms(540, 1200, 180, 3)


def attended(day: datetime.date, minutes: int) -> DayMinutes:
    return DayMinutes(day, 1, 180, minutes, minutes, services=1)


def need(*lines: DayMinutes, terms: StandardTerms = ADULT, **extra: Any) -> Need:
    given = {"name": "Adult IOP", "first": MON, "last": SAT, **extra}
    return Need(lines=lines, terms=terms, share=WHOLE_WEEK, **given)


def offer(day: datetime.date, hour: int, minutes: int = 60, **extra: Any) -> Offer:
    starts = datetime.datetime.combine(day, datetime.time(hour), tzinfo=datetime.UTC)
    given = {"key": day.day * 100 + hour, "session_type_id": 1, "minutes": minutes, **extra}
    return Offer(
        local_date=day,
        starts_at=starts,
        ends_at=starts + datetime.timedelta(minutes=minutes),
        length=given.pop("length", minutes),
        **given,
    )


FRIDAY_MISSED = need(attended(MON, 180), attended(WED, 180))
"""6 h and two days: three hours on a third day are missing."""
LATE_ON_FRIDAY = need(attended(MON, 180), attended(WED, 180), attended(FRI, 120))
"""8 h and two days: an hour, and on Friday it makes the day."""

GOLDEN = [
    (FRIDAY_MISSED, [offer(THU, 9, 180)],
     "adds 3 h; brings Thursday to 3 h: a qualifying day; repairs the week"),
    (FRIDAY_MISSED, [offer(THU, 9, 60)],
     "adds 1 h; brings Thursday to 1 h of 3 h; 2 h and 1 qualifying day still to go"),
    (FRIDAY_MISSED, [offer(THU, 9, 179)],
     "adds 2 h 59; brings Thursday to 2 h 59 of 3 h; 1 min and 1 qualifying day still to go"),
    (FRIDAY_MISSED, [offer(WED, 18, 180)], "adds 3 h; 1 qualifying day still to go"),
    (LATE_ON_FRIDAY, [offer(FRI, 13, 60)],
     "adds 1 h; brings Friday to 3 h: a qualifying day; repairs the week"),
    (LATE_ON_FRIDAY, [offer(THU, 13, 60)],
     "adds 1 h; brings Thursday to 1 h of 3 h; 1 qualifying day still to go"),
    (need(), [offer(THU, 9, 180)],
     "adds 3 h; brings Thursday to 3 h: a qualifying day; 6 h and 2 qualifying days still to go"),
    (need(attended(MON, 180), attended(WED, 180), attended(FRI, 179)), [offer(FRI, 13, 1)],
     "adds 1 min; brings Friday to 3 h: a qualifying day; repairs the week"),
    (need(attended(MON, 300), attended(WED, 180), attended(FRI, 30)), [offer(FRI, 13, 60)],
     "adds 1 h; brings Friday to 1 h 30 of 3 h; 1 qualifying day still to go"),
    (FRIDAY_MISSED, [offer(THU, 9, 60), offer(THU, 10, 60), offer(THU, 11, 60)],
     "adds 3 h; brings Thursday to 3 h: a qualifying day; repairs the week"),
]  # fmt: skip


@pytest.mark.parametrize(("short", "offers", "sentence"), GOLDEN)
def test_what_repairs_what(short: Need, offers: list[Offer], sentence: str) -> None:
    assert effect([short], offers).sentence == sentence


def test_what_is_missing_before_anything_is_offered() -> None:
    (one,) = standing([FRIDAY_MISSED])
    assert (one.minutes_to_go, one.days_to_go, one.repaired) == (180, 1, False)


def test_what_does_not_count_repairs_nothing() -> None:
    counted = need(*FRIDAY_MISSED.lines, terms=replace(ADULT, counted_types=frozenset({7})))
    assert not effect([counted], [offer(THU, 9, 180)]).helps
    assert not effect([FRIDAY_MISSED], [offer(THU, 9, 0)]).helps


def test_minutes_alone_do_not_help_where_only_days_are_missing() -> None:
    days_only = need(attended(MON, 300), attended(WED, 300))
    assert not effect([days_only], [offer(MON, 18)]).helps
    assert effect([days_only], [offer(THU, 18)]).helps


def test_a_session_outside_the_segment_touches_nothing() -> None:
    found = effect([replace(FRIDAY_MISSED, last=WED)], [offer(THU, 9, 180)])
    assert (found.repairs, found.untouched, found.helps, found.repaired) == ((), 1, False, False)


def test_two_standards_are_named_and_both_must_be_repaired() -> None:
    payer = need(attended(MON, 180), terms=replace(ADULT, minimum=240), name="Payer")
    found = effect([FRIDAY_MISSED, payer], [offer(THU, 9, 180)])
    assert not found.repaired
    assert found.sentence == (
        "Adult IOP: adds 3 h; brings Thursday to 3 h: a qualifying day; repairs the week. "
        "Payer: adds 3 h; brings Thursday to 3 h: a qualifying day; 1 qualifying day still to go"
    )


def test_each_basis_counts_its_own_minutes() -> None:
    rounded = offer(THU, 9, 180, length=200)
    for basis, minutes in ((Basis.CREDITED, 180), (Basis.ATTENDED, 200), (Basis.SCHEDULED, 200)):
        short = need(terms=replace(ADULT, basis=basis))
        assert effect([short], [rounded]).minutes == minutes, basis
    scheduled = need(terms=replace(ADULT, basis=Basis.SCHEDULED))
    assert effect([scheduled], [replace(rounded, again=True)]).minutes == 0


# --- which first ---------------------------------------------------------------------------------


def order(short: Need, offers: list[Offer], *visited: datetime.date) -> list[int]:
    ranked = sorted(offers, key=lambda o: rank(o, effect([short], [o]), frozenset(visited)))
    return [one.key for one in ranked]


def test_a_qualifying_day_goes_before_more_minutes_and_an_earlier_time() -> None:
    early, late = offer(THU, 9), offer(FRI, 15)
    assert order(LATE_ON_FRIDAY, [early, late]) == [late.key, early.key]


def test_a_day_on_which_the_patient_comes_anyway_goes_before_a_new_visit() -> None:
    new, visited = offer(TUE, 9), offer(THU, 9)
    assert order(FRIDAY_MISSED, [new, visited], THU) == [visited.key, new.key]
    assert order(FRIDAY_MISSED, [visited, new]) == [new.key, visited.key]


def test_what_the_patient_gave_up_comes_after_its_equals() -> None:
    again, other = offer(THU, 9, again=True), offer(FRI, 9)
    assert order(FRIDAY_MISSED, [again, other]) == [other.key, again.key]
    called_in = offer(THU, 9, called_in=True)
    assert order(FRIDAY_MISSED, [called_in, other]) == [other.key, called_in.key]


# --- combinations --------------------------------------------------------------------------------


def combined(short: Need, *offers: Offer, **extra: Any) -> list[int]:
    return [one.key for one in combination([short], offers, **extra)]


def test_three_hours_of_one_day_make_the_day_that_none_makes_alone() -> None:
    evening = [offer(THU, hour) for hour in (18, 19, 20)]
    scattered = [offer(TUE, 9), offer(SAT, 9)]
    assert combined(FRIDAY_MISSED, *scattered, *evening) == [one.key for one in evening]


def test_one_session_is_enough_where_one_repairs_the_week() -> None:
    long = offer(FRI, 9, 180)
    assert combined(FRIDAY_MISSED, offer(THU, 9), offer(THU, 10), offer(THU, 11), long) == [
        long.key
    ]


def test_sessions_at_the_same_time_are_not_combined() -> None:
    first, second = offer(THU, 9, 120), replace(offer(THU, 10, 120), key=1)
    assert combined(FRIDAY_MISSED, first, second) == [first.key]


def test_what_turns_out_not_to_be_needed_is_left_out() -> None:
    short = need(attended(MON, 180), attended(WED, 180), attended(FRI, 120))
    assert combined(short, offer(FRI, 14), offer(THU, 9), offer(TUE, 9)) == [offer(FRI, 14).key]


def test_a_combination_comes_as_near_as_it_can_with_so_many_sessions() -> None:
    hours = [offer(day, hour) for day in (TUE, THU) for hour in (9, 10, 11)]
    assert len(combined(need(), *hours)) == 6
    assert combined(need(), *hours, most=3) == [one.key for one in hours[:3]]
    assert combined(need(), *hours, most=0) == []


def test_a_combination_takes_only_what_is_allowed_together() -> None:
    evening = [offer(THU, 18, 90), offer(THU, 20, 90)]
    whole = offer(SAT, 9, 180)
    assert combined(FRIDAY_MISSED, *evening) == [518, 520]
    assert combined(FRIDAY_MISSED, *evening, allowed=lambda some: len(some) < 2) == [518]
    assert combined(FRIDAY_MISSED, *evening, whole, allowed=lambda some: len(some) < 2) == [709]
    assert combined(FRIDAY_MISSED, *evening, whole, allowed=lambda some: not some) == []


def test_without_offers_there_is_no_combination() -> None:
    assert combination([FRIDAY_MISSED], []) == ()
