"""Absences: the status of one booking, treatment days, runs, first days, silence."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance.compliance.rules.absences import (
    DayKind,
    SessionOutcome,
    TreatmentDay,
    consecutive_unexcused,
    day_kind,
    first_days_missed,
    no_call_days,
    silence,
    treatment_days,
)
from attendance.records.rules import AttendanceFacts, CreditPolicy, Proof, Status, status
from tests.attendance.facts import at, session
from tests.attendance.months import found, march, month

UNRECORDED, PRESENT = Status.UNRECORDED, Status.PRESENT
EXCUSED, PENDING = Status.ABSENT_EXCUSED, Status.ABSENT_PENDING
NO_SHOW, LATE_CANCEL = Status.NO_SHOW, Status.LATE_CANCEL

# Status: a day of three hours from 18:00, judged at its second session, 19:10 to 20:10.

SECOND = session("19:10-20:10")
DAY_STARTS = at("18:00")
CALLS_ONLY = CreditPolicy(excused_reasons=frozenset({"illness", "court"}), notice_minutes=None)
DAY_AHEAD = CreditPolicy(excused_reasons=frozenset({"illness", "court"}), notice_minutes=1440)
YESTERDAY, TOMORROW = date(2026, 3, 3), date(2026, 3, 5)
PROOF_DUE = at("20:10", date(2026, 3, 7))  # 72 hours after the end of the second session


def absent(told=None, reason="", **more):
    return AttendanceFacts(attended=False, notified_at=told, absence_reason=reason, **more)


def judged(facts, *, policy=CALLS_ONLY, court=False, now=None):
    return status(
        SECOND, facts, policy, day_starts_at=DAY_STARTS, court_involved=court,
        now=now or at("05:00", TOMORROW),
    )  # fmt: skip


STATUSES = [
    ("nothing recorded is not absent", None, UNRECORDED),
    ("attended", AttendanceFacts(attended=True), PRESENT),
    ("attended after calling in", AttendanceFacts(attended=True, notified_at=at("12:00")), PRESENT),
    ("not told", absent(), NO_SHOW),
    ("a reason heard later is no notice", absent(None, "illness"), NO_SHOW),
    ("listed, told before the day", absent(at("17:59"), "illness"), EXCUSED),
    ("listed, told the day before", absent(at("10:00", YESTERDAY), "court"), EXCUSED),
    ("listed, told as the day began", absent(at("18:00"), "illness"), LATE_CANCEL),
    ("listed, told between two sessions", absent(at("19:00"), "illness"), LATE_CANCEL),
    ("told as the session began", absent(at("19:10"), "illness"), NO_SHOW),
    ("told after the session began", absent(at("19:30"), "illness"), NO_SHOW),
    ("not listed, told before the day", absent(at("12:00"), "work"), LATE_CANCEL),
    ("no reason, told before the day", absent(at("12:00")), LATE_CANCEL),
    ("accepted proof, never told", absent(proof=Proof.ACCEPTED), EXCUSED),
    ("accepted proof, told late", absent(at("19:30"), "work", proof=Proof.ACCEPTED), EXCUSED),
    ("rejected proof, never told", absent(proof=Proof.REJECTED), NO_SHOW),
    ("rejected proof, told in time and listed",
     absent(at("12:00"), "illness", proof=Proof.REJECTED), EXCUSED),
    ("pending proof without a court", absent(proof=Proof.PENDING), NO_SHOW),
    ("staff excuse a no-show", absent(excused_override=True), EXCUSED),
    ("staff refuse a listed reason", absent(at("12:00"), "illness", excused_override=False),
     LATE_CANCEL),
    ("staff refuse accepted proof", absent(proof=Proof.ACCEPTED, excused_override=False), NO_SHOW),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "expected"), [row[1:] for row in STATUSES], ids=[row[0] for row in STATUSES]
)
def test_status(facts, expected):
    assert judged(facts) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (at("19:10", YESTERDAY), EXCUSED),
        (at("19:11", YESTERDAY), LATE_CANCEL),
        (at("12:00"), LATE_CANCEL),
        (None, NO_SHOW),
    ],
    ids=["exactly 24 hours before", "a minute less", "the same day", "never"],
)
def test_notice_in_time_excuses_any_reason_where_the_clinic_says_so(told, expected):
    assert judged(absent(told, "work"), policy=DAY_AHEAD) == expected


@pytest.mark.parametrize(
    ("facts", "now", "expected"),
    [
        (absent(proof=Proof.PENDING), at("05:00", TOMORROW), PENDING),
        (absent(proof=Proof.PENDING), PROOF_DUE - timedelta(seconds=1), PENDING),
        (absent(proof=Proof.PENDING), PROOF_DUE, NO_SHOW),
        (absent(at("12:00"), "work", proof=Proof.PENDING), PROOF_DUE, LATE_CANCEL),
        (absent(proof=Proof.NONE), at("05:00", TOMORROW), NO_SHOW),
        (absent(proof=Proof.REJECTED), at("05:00", TOMORROW), NO_SHOW),
        (absent(proof=Proof.ACCEPTED), PROOF_DUE, EXCUSED),
        (absent(at("12:00"), "court", proof=Proof.PENDING), PROOF_DUE, EXCUSED),
        (absent(proof=Proof.PENDING, excused_override=False), at("05:00", TOMORROW), NO_SHOW),
    ],
    ids=[
        "the morning after",
        "a second before the time is up",
        "72 hours after the end",
        "the time is up for one who called",
        "no proof announced",
        "proof rejected",
        "proof accepted",
        "excused already by the call",
        "staff decided",
    ],
)
def test_a_court_waits_for_proof(facts, now, expected):
    assert judged(facts, court=True, now=now) == expected


def test_how_long_a_court_waits_is_the_clinics():
    policy = CreditPolicy(proof_hours=24)
    early, late = at("20:09", TOMORROW), at("20:10", TOMORROW)
    facts = absent(proof=Proof.PENDING)
    assert judged(facts, policy=policy, court=True, now=early) == PENDING
    assert judged(facts, policy=policy, court=True, now=late) == NO_SHOW


# Treatment days

KINDS = [
    ("one evening missed is one day", [NO_SHOW] * 3, DayKind.MISSED_UNEXCUSED),
    ("late cancellations are unexcused", [LATE_CANCEL] * 3, DayKind.MISSED_UNEXCUSED),
    ("all excused", [EXCUSED] * 3, DayKind.MISSED_EXCUSED),
    ("one not excused", [EXCUSED, EXCUSED, LATE_CANCEL], DayKind.MISSED_UNEXCUSED),
    ("anything attended", [PRESENT, NO_SHOW, NO_SHOW], DayKind.ATTENDED),
    ("attended, the rest unrecorded", [PRESENT, UNRECORDED], DayKind.ATTENDED),
    ("missed so far, one roster open", [NO_SHOW, UNRECORDED], DayKind.UNRECORDED),
    ("nothing recorded", [UNRECORDED] * 3, DayKind.UNRECORDED),
    ("waiting for proof", [PENDING] * 3, DayKind.MISSED_PENDING),
    ("waiting beside an excuse", [PENDING, EXCUSED], DayKind.MISSED_PENDING),
    ("waiting, but one is lost already", [PENDING, NO_SHOW], DayKind.MISSED_UNEXCUSED),
    ("nothing was held", [], DayKind.CANCELLED),
]


@pytest.mark.parametrize(
    ("statuses", "kind"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS]
)
def test_day_kinds(statuses, kind):
    assert day_kind(statuses) == kind


def outcomes(day, *statuses, cancelled=()):
    held = [SessionOutcome(day, one) for one in statuses]
    return held + [SessionOutcome(day, one, cancelled_by_clinic=True) for one in cancelled]


def test_sessions_become_days_oldest_first():
    first, second = date(2026, 3, 2), date(2026, 3, 4)
    days = treatment_days([*outcomes(second, PRESENT, NO_SHOW), *outcomes(first, *[NO_SHOW] * 3)])
    assert days == (
        TreatmentDay(first, DayKind.MISSED_UNEXCUSED, no_call=True),
        TreatmentDay(second, DayKind.ATTENDED),
    )


@pytest.mark.parametrize(
    ("statuses", "cancelled", "kind"),
    [
        ([], [UNRECORDED, UNRECORDED], DayKind.CANCELLED),
        ([EXCUSED], [NO_SHOW], DayKind.MISSED_EXCUSED),
        ([NO_SHOW], [PRESENT], DayKind.MISSED_UNEXCUSED),
        ([PRESENT], [UNRECORDED], DayKind.ATTENDED),
    ],
    ids=["all of it", "never against the patient", "never for the patient", "the rest stands"],
)
def test_what_the_clinic_cancelled_counts_nowhere(statuses, cancelled, kind):
    (day,) = treatment_days(outcomes(date(2026, 3, 4), *statuses, cancelled=cancelled))
    assert day.kind == kind


@pytest.mark.parametrize(
    ("statuses", "no_call"),
    [
        ([NO_SHOW] * 3, True),
        ([NO_SHOW, LATE_CANCEL, LATE_CANCEL], False),
        ([LATE_CANCEL] * 3, False),
        ([EXCUSED, NO_SHOW], True),
        ([PRESENT, NO_SHOW], False),
        ([NO_SHOW, UNRECORDED], False),
        ([PENDING, NO_SHOW], True),
        ([EXCUSED] * 3, False),
    ],
    ids=[
        "silence",
        "called after the first session",
        "called late",
        "silent about a part",
        "left and not come back",
        "a roster open",
        "silent, proof or not",
        "excused",
    ],
)
def test_no_call_days(statuses, no_call):
    day = date(2026, 3, 4)
    found = no_call_days(treatment_days(outcomes(day, *statuses)))
    assert found == ((day,) if no_call else ())


# Runs


@pytest.mark.parametrize(
    ("letters", "n", "expected"),
    [
        ("A.x.A", 2, []),
        ("x.x", 2, [(3, [1, 3])]),
        ("x.A.x", 2, []),
        ("x.e.x", 2, [(5, [1, 5])]),
        ("x.c.u.p.x", 2, [(9, [1, 9])]),
        ("x.x.x.x", 2, [(3, [1, 3, 5, 7])]),
        ("x.x.A.x.x", 2, [(3, [1, 3]), (9, [7, 9])]),
        ("x.x.A.x", 2, [(3, [1, 3])]),
        ("e.e.e", 2, []),
        ("u.u.u", 2, []),
        ("x.x", 3, []),
        ("x.A.x", 1, [(1, [1]), (5, [5])]),
        ("", 2, []),
    ],
    ids=[
        "one is no run",
        "two treatment days, a date between",
        "an attended day breaks it",
        "an excused day neither counts nor breaks",
        "nor do cancelled, unrecorded and pending ones",
        "a longer run is the same evidence",
        "a new run is new evidence",
        "a broken run stays what it was",
        "excused days are no run",
        "unrecorded days are no run",
        "not yet three",
        "a limit of one",
        "no days",
    ],
)
def test_consecutive_unexcused(letters, n, expected):
    assert found(consecutive_unexcused(month(letters), n)) == expected


@pytest.mark.parametrize("n", [0, -1])
def test_a_limit_below_one_is_refused(n):
    with pytest.raises(ValueError, match="at least 1"):
        consecutive_unexcused(month("x"), n)
    with pytest.raises(ValueError, match="at least 1"):
        silence(month("Ax"), march(1), n, through=march(9))


# The first days, and silence

EARLY = [
    ("the day after the first", "Ax", 21, [2]),
    ("the last of 21 dates", "A..................xx", 21, [20, 21]),
    ("the 22nd date", "A....................x", 21, []),
    ("from the first attended day, not the first expected", "x.xA.x", 21, [6]),
    ("nobody came yet", "x.x.x", 21, []),
    ("an excused, cancelled or open day is no miss", "Ae.cup", 21, []),
    ("each miss is its own", "A.x.A.x", 21, [3, 7]),
    ("a window of one date holds the first day alone", "Ax", 1, []),
]


@pytest.mark.parametrize(
    ("letters", "window", "expected"),
    [row[1:] for row in EARLY],
    ids=[row[0] for row in EARLY],
)
def test_first_days_missed(letters, window, expected):
    missed = first_days_missed(month(letters), window)
    assert [day.local_date for day in missed] == [march(n) for n in expected]


SILENT = [
    ("four dates are not five", "A.x..", 5, []),
    ("five dates", "A.x...", 5, (6, [3])),
    ("it goes on from the same day", "A.x...x.x", 5, (6, [3, 7, 9])),
    ("nothing was expected", "A.........", 5, []),
    ("a date the clinic cancelled is no silence", "A.c...c", 5, []),
    ("nor is one without a roster", "A.u...u", 5, []),
    ("nor an excused one", "A.e...e", 5, []),
    ("the missed day's morning is its call's", "A......x", 5, []),
    ("the wellness call is the day after's", "A......x.", 5, (9, [8])),
    ("two dates, one of them missed", "Ax", 2, []),
    ("two dates for a priority patient", "Ax.", 2, (3, [2])),
]


@pytest.mark.parametrize(
    ("letters", "n", "expected"),
    [row[1:] for row in SILENT],
    ids=[row[0] for row in SILENT],
)
def test_silence(letters, n, expected):
    one = silence(month(letters), march(1), n, through=march(len(letters)))
    assert (found([one]) if one else []) == ([expected] if expected else [])


def test_a_call_breaks_the_silence_and_later_misses_begin_another():
    days = month("A.x.....x.x")
    assert silence(days, march(5), 5, through=march(9)) is None
    assert found([silence(days, march(5), 5, through=march(11))]) == [(10, [9, 11])]


# Properties

months = st.text("Axepcu.", max_size=60).map(month)
limits = st.integers(1, 4)


@given(months, limits, st.randoms(use_true_random=False))
def test_the_order_of_the_days_is_nothing(days, n, random):
    shuffled = random.sample(days, len(days))
    assert consecutive_unexcused(shuffled, n) == consecutive_unexcused(days, n)
    assert first_days_missed(shuffled, 21) == first_days_missed(days, 21)


@given(months, limits)
def test_neutral_days_change_nothing(days, n):
    """Excused, pending, cancelled and unrecorded days neither count nor break."""
    loud = [d for d in days if d.kind in (DayKind.ATTENDED, DayKind.MISSED_UNEXCUSED)]
    assert consecutive_unexcused(days, n) == consecutive_unexcused(loud, n)
    assert first_days_missed(days, 21) == first_days_missed(loud, 21)
    assert silence(days, march(3), n, through=march(60)) == silence(
        loud, march(3), n, through=march(60)
    )


@given(months, limits)
def test_evidence_holds_the_day_that_reached_the_limit(days, n):
    for one in consecutive_unexcused(days, n):
        assert one.days[n - 1] == one.reached_on


@given(months, limits)
def test_later_days_never_change_the_key_of_a_case(days, n):
    early = [one.reached_on for one in consecutive_unexcused(days[: len(days) // 2], n)]
    assert [one.reached_on for one in consecutive_unexcused(days, n)][: len(early)] == early


@given(st.lists(st.sampled_from(Status), max_size=5))
def test_a_day_is_missed_only_when_all_is_recorded_and_nothing_attended(statuses):
    missed = day_kind(statuses).startswith("missed")
    assert missed == (bool(statuses) and PRESENT not in statuses and UNRECORDED not in statuses)
