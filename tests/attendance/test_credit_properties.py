"""Properties of the credit arithmetic over random sessions, facts and policies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from attendance.records.rules import (
    FULL_PRESENCE,
    AttendanceFacts,
    CreditKind,
    CreditPolicy,
    Interval,
    SessionFacts,
    attended_minutes,
    credited_minutes,
    full_presence_minutes,
    labels,
    merge,
    scheduled_minutes,
    session_minutes,
    subtract,
    time_inside,
)
from tests.attendance.facts import NEW_YORK

ORIGIN = datetime(2026, 11, 1, 4, tzinfo=UTC)  # two hours before the clocks go back
seconds = st.integers(-3600, 6 * 3600)


def instant(offset: int) -> datetime:
    return ORIGIN + timedelta(seconds=offset)


intervals = st.builds(lambda a, b: Interval(instant(a), instant(b)), seconds, seconds)
several = st.lists(intervals, max_size=4).map(tuple)
sessions = st.builds(
    lambda length, breaks, creditable: SessionFacts(
        ORIGIN, ORIGIN + timedelta(minutes=length), breaks, creditable
    ),
    st.integers(15, 360),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=3).map(tuple),
    st.booleans(),
)
facts_of = st.builds(
    AttendanceFacts,
    attended=st.booleans(),
    arrived_at=st.none() | seconds.map(instant),
    left_at=st.none() | seconds.map(instant),
    away=several,
)
policies = st.builds(
    CreditPolicy,
    kind=st.sampled_from(CreditKind),
    round_to=st.integers(1, 60),
    min_percent=st.integers(0, 100),
)


@given(sessions, facts_of, policies, several)
def test_credited_within_attended_within_the_session(one, facts, policy, nested):
    attended = attended_minutes(one, facts, nested)
    credited = credited_minutes(one, facts, policy, nested)
    assert 0 <= credited <= attended <= session_minutes(one)


@given(sessions, facts_of, policies, several)
def test_nothing_beats_full_presence(one, facts, policy, nested):
    full = full_presence_minutes(one, policy, nested)
    assert credited_minutes(one, facts, policy, nested) <= full
    assert full <= scheduled_minutes(one, nested)


@given(sessions, facts_of, policies, st.integers(0, 3600), st.integers(0, 3600))
def test_longer_presence_never_credits_less(one, facts, policy, earlier, later):
    longer = replace(
        facts,
        arrived_at=facts.arrived_at and facts.arrived_at - timedelta(seconds=earlier),
        left_at=facts.left_at and facts.left_at + timedelta(seconds=later),
    )
    assert credited_minutes(one, longer, policy) >= credited_minutes(one, facts, policy)


@given(sessions, facts_of, policies, intervals)
def test_more_time_away_never_credits_more(one, facts, policy, away):
    further = replace(facts, away=(*facts.away, away))
    assert credited_minutes(one, further, policy) <= credited_minutes(one, facts, policy)


@given(sessions, facts_of, facts_of, policies, intervals)
def test_a_visit_and_its_group_never_count_a_minute_twice(one, facts, visit_facts, policy, where):
    assume(where.length)
    visit = SessionFacts(where.start, where.end)
    nested = time_inside(visit, visit_facts)
    outer = attended_minutes(one, facts, nested)
    inner = attended_minutes(visit, visit_facts)
    either = merge([*time_inside(one, facts), *nested])
    assert outer + inner <= sum((i.length for i in either), timedelta()) // timedelta(minutes=1)


@given(sessions, several, st.randoms(use_true_random=False))
def test_the_order_of_times_away_is_nothing(one, away, random):
    shuffled = random.sample(away, len(away))
    there = replace(FULL_PRESENCE, away=away)
    assert attended_minutes(one, there) == attended_minutes(
        one, replace(there, away=tuple(shuffled))
    )


@given(sessions, facts_of, policies)
def test_the_zone_of_the_facts_is_nothing(one, facts, policy):
    def local(moment):
        return moment and moment.astimezone(NEW_YORK)

    there = replace(facts, arrived_at=local(facts.arrived_at), left_at=local(facts.left_at))
    here = replace(one, starts_at=local(one.starts_at), ends_at=local(one.ends_at))
    assert credited_minutes(here, there, policy) == credited_minutes(one, facts, policy)
    assert labels(here, there, policy) == labels(one, facts, policy)


@given(several, several)
def test_what_is_cut_and_what_is_left_make_up_the_whole(spans, cuts):
    left = subtract(spans, cuts)
    taken = subtract(spans, left)
    assert merge([*left, *taken]) == merge(spans)
    assert subtract(left, cuts) == left
