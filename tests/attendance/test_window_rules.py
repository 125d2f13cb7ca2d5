"""Windows: so many in so many dates, of the last so many, under a share; one evidence a stretch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance.compliance.rules.absences import DayKind
from attendance.compliance.rules.windows import (
    LEAST_EXPECTED_DAYS,
    count_in_window,
    count_on,
    dates_of,
    late_dates,
    missed_of_last,
    share_in_window,
)
from tests.attendance.months import found, march, month


def missed(letters):
    return dates_of(month(letters), DayKind.MISSED_UNEXCUSED)


def counted(letters, n, window):
    return count_in_window(missed(letters), n, window, through=march(len(letters)))


def holding(evidence):
    return [one.holds for one in evidence]


IN_TEN = [
    ("two are not three", "x..x", []),
    ("three in ten", "x..x..x", [(7, [1, 4, 7])]),
    ("attended days between break nothing", "xAx.A.xA", [(7, [1, 3, 7])]),
    ("too far apart", "x........x........x", []),
    ("the tenth date is inside ten days", "x...x....x", [(10, [1, 5, 10])]),
    ("the eleventh is not", "x...x.....x", []),
    ("more of them is the same evidence", "xxx.xx", [(3, [1, 2, 3])]),
    ("one slides out as one comes in: never below", "x...x....xx", [(10, [1, 5, 10])]),
    ("below, then three again", "xxx.........xxx", [(3, [1, 2, 3]), (15, [13, 14, 15])]),
    ("below on the 11th only", "x.x....x...x", [(8, [1, 3, 8]), (12, [3, 8, 12])]),
    ("two in the window on the 13th", "x.x....x....x", [(8, [1, 3, 8])]),
    ("two in the window on the 14th", "x.xx......x..x", [(4, [1, 3, 4])]),
    ("only unexcused days count", "xe.cx.u.p", []),
]


@pytest.mark.parametrize(
    ("letters", "expected"), [row[1:] for row in IN_TEN], ids=[row[0] for row in IN_TEN]
)
def test_three_in_ten_days(letters, expected):
    assert found(counted(letters, 3, 10)) == expected


@pytest.mark.parametrize(
    ("letters", "holds"),
    [
        ("x..x..x", [True]),
        ("x..x..x...", [True]),
        ("x..x..x....", [False]),
        ("x..x..x....x", [False, True]),
        ("x..x..x..x..x..x..x..x", [True]),
    ],
    ids=[
        "on the day",
        "until the first date slides out",
        "slid past",
        "reached again",
        "never below, however long ago it was reached",
    ],
)
def test_a_window_holds_until_its_count_has_been_below(letters, holds):
    assert holding(counted(letters, 3, 10)) == holds


def test_a_window_over_excused_days_sees_the_one_who_always_calls_in():
    excused = dates_of(month("e....e....e"), DayKind.MISSED_EXCUSED)
    assert found(count_in_window(excused, 3, 30, through=march(11))) == [(11, [1, 6, 11])]
    assert counted("e....e....e", 3, 30) == ()


def test_late_arrivals_are_counted_in_days():
    days = month("l.lA.xl")
    assert late_dates(days) == (march(1), march(3), march(7))
    assert found(count_in_window(late_dates(days), 3, 7, through=march(7))) == [(7, [1, 3, 7])]
    assert count_in_window(late_dates(days), 3, 6, through=march(7)) == ()


@pytest.mark.parametrize(("on", "count"), [(9, 2), (10, 3), (11, 2), (14, 2), (15, 1), (20, 0)])
def test_a_window_slides_past(on, count):
    assert count_on(missed("x...x....x"), march(on), 10) == count


def test_a_make_up_attended_does_not_erase_the_day():
    assert found(counted("x.x..A.x", 3, 30)) == [(8, [1, 3, 8])]


@pytest.mark.parametrize("n", [0, -1])
def test_a_limit_below_one_is_refused(n):
    with pytest.raises(ValueError, match="at least 1"):
        counted("x", n, 30)
    with pytest.raises(ValueError, match="at least 1"):
        missed_of_last(month("x"), n, 10)


# Of the last so many treatment days

OF_LAST = [
    ("two of five", "AxAxA", [], []),
    ("three of five", "xAxAx", [(5, [1, 3, 5])], [True]),
    ("the fifth from last is inside", "xxAAx", [(5, [1, 2, 5])], [True]),
    ("the sixth is not", "xxAAAx", [], []),
    ("three before there are five", "xxx", [(3, [1, 2, 3])], [True]),
    ("dates without treatment are not counted", "x...x......x", [(12, [1, 5, 12])], [True]),
    ("nor excused, cancelled and open days", "xexcxup", [(5, [1, 3, 5])], [True]),
    ("an attended day pushes the first out", "xxxAAA", [(3, [1, 2, 3])], [False]),
    ("no attended day, no end", "xxxxxxx", [(3, [1, 2, 3])], [True]),
    ("again after having been below", "xxxAAAxx", [(3, [1, 2, 3])], [False]),
    ("three again", "xxxAAAxxx", [(3, [1, 2, 3]), (9, [7, 8, 9])], [False, True]),
]


@pytest.mark.parametrize(
    ("letters", "expected", "holds"),
    [row[1:] for row in OF_LAST],
    ids=[row[0] for row in OF_LAST],
)
def test_three_of_the_last_five(letters, expected, holds):
    evidence = missed_of_last(month(letters), 3, 5)
    assert (found(evidence), holding(evidence)) == (expected, holds)


def test_it_says_of_how_many():
    assert [one.expected for one in missed_of_last(month("xxx"), 3, 5)] == [3]
    assert [one.expected for one in missed_of_last(month("AAxAxAx"), 3, 5)] == [5]


# Under a share

SHARES = [
    ("none of one", "x", []),
    ("none of five: too few to say", "xxxxx", []),
    ("none of six", "xxxxxx", [(6, [1, 2, 3, 4, 5, 6])]),
    ("six of eight is exactly 75 %", "AAAAAAxx", []),
    ("five of seven is not", "AAAAAxx", [(7, [6, 7])]),
    ("only an unexcused day reaches it", "xxAAAA", []),
    ("excused, cancelled and open days are no days", "AAAAxeeccuupp", []),
    ("they do not break it either", "AAAAxex", [(7, [5, 7])]),
    ("recovered, and under again", "AAAAAxxAAAAAAxxx", [(7, [6, 7]), (15, [6, 7, 14, 15])]),
    ("still under: the same evidence", "AAAAAxxxx", [(7, [6, 7])]),
]


def shared(letters, window=30):
    return share_in_window(month(letters), 75, window, through=march(len(letters)))


@pytest.mark.parametrize(
    ("letters", "expected"), [row[1:] for row in SHARES], ids=[row[0] for row in SHARES]
)
def test_under_75_percent_in_30_days(letters, expected):
    assert found(shared(letters)) == expected


def test_a_share_of_fewer_days_says_nothing():
    assert LEAST_EXPECTED_DAYS == 6
    days = month("xAx")
    assert share_in_window(days, 75, 30, through=march(3)) == ()
    assert found(share_in_window(days, 75, 30, through=march(3), least=3)) == [(3, [1, 3])]


def test_a_share_that_fell_because_a_day_slid_out_waits_for_the_next_miss():
    """Seven of nine on the 9th; the attended days of the first dates slide out after it."""
    letters = "AAAAAAAxx"
    assert found(shared(letters + "....", 10)) == []
    assert found(shared(letters + "...x", 10)) == [(13, [8, 9, 13])]


def test_a_share_holds_until_it_is_back():
    assert holding(shared("AAAAAxx")) == [True]
    assert holding(shared("AAAAAxxA")) == [False]
    assert [one.expected for one in shared("AAAAAxx")] == [7]


# Properties

months = st.text("Axepcul.", max_size=60)
limits, windows = st.integers(1, 4), st.integers(1, 30)


def everything(days, n, window):
    unexcused = dates_of(days, DayKind.MISSED_UNEXCUSED)
    return [
        count_in_window(unexcused, n, window, through=march(60)),
        missed_of_last(days, n, window),
        share_in_window(days, 75, window, through=march(60)),
    ]


@given(months.map(month), limits, windows)
def test_neutral_days_change_nothing(days, n, window):
    """Excused, pending, cancelled and unrecorded days neither count nor break."""
    loud = [d for d in days if d.kind in (DayKind.ATTENDED, DayKind.MISSED_UNEXCUSED)]
    assert everything(days, n, window) == everything(loud, n, window)


@given(months.map(month), limits, windows, st.randoms(use_true_random=False))
def test_the_order_of_the_days_is_nothing(days, n, window, random):
    shuffled = random.sample(days, len(days))
    assert everything(shuffled, n, window) == everything(days, n, window)


@given(months, limits, windows)
def test_evidence_is_reached_on_an_unexcused_day(letters, n, window):
    unexcused = set(missed(letters))
    for evidence in everything(month(letters), n, window):
        assert all(one.reached_on in unexcused for one in evidence)
        assert all(one.days[-1] == one.reached_on for one in evidence)
        assert not any(one.holds for one in evidence[:-1])


@given(months, limits, windows)
def test_a_window_agrees_with_a_walk_over_every_date(letters, n, window):
    """The evidence is what a nightly look at the count of each date would have opened."""
    opened, below = [], True
    for number in range(1, 62):
        count = count_on(missed(letters), march(number), window)
        if count >= n and below:
            opened.append(march(number))
        below = count < n
        evidence = count_in_window(missed(letters), n, window, through=march(number))
        assert [one.reached_on for one in evidence] == opened
        assert (holding(evidence)[-1:] or [False]) == [not below]


@given(months, windows)
def test_a_share_agrees_with_a_look_at_each_night(letters, window):
    """Judged night after night, a case opens once and the last one holds while the share does."""
    opened = []
    for number in range(1, len(letters) + 1):
        days = [day for day in month(letters) if day.local_date <= march(number)]
        evidence = share_in_window(days, 75, window, through=march(number))
        opened += [one.reached_on for one in evidence if one.reached_on == march(number)]
        assert [one.reached_on for one in evidence] == opened
