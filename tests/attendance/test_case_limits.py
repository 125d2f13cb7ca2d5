"""How long a case may be put off, and its evidence in words: pure rules at their limits."""

import datetime

import pytest

from attendance.compliance.rules.evidence import evidence_lines
from attendance.compliance.rules.snoozing import deadline_in, latest_snooze

MON, SUN = datetime.date(2026, 3, 2), datetime.date(2026, 3, 8)


@pytest.mark.parametrize(
    ("today", "deadline", "latest"),
    [
        (MON, None, datetime.date(2026, 3, 16)),
        (MON, SUN, SUN),
        (SUN, SUN, SUN),
        (datetime.date(2026, 3, 9), SUN, datetime.date(2026, 3, 23)),
        (MON, datetime.date(2026, 3, 16), datetime.date(2026, 3, 16)),
        (MON, datetime.date(2026, 3, 17), datetime.date(2026, 3, 16)),
    ],
)
def test_a_case_wakes_before_its_deadline(today, deadline, latest):
    assert latest_snooze(today, most_days=14, deadline=deadline) == latest


@pytest.mark.parametrize(
    ("evidence", "deadline"),
    [
        ({"minutes_to_go": 60}, None),
        ({"ends_on": "2026-03-08", "due_on": None}, SUN),
        ({"ends_on": "2026-03-20", "due_on": "2026-03-08"}, SUN),
        ({"ends_on": "2026-03-20", "runs_out_on": "2026-03-08"}, SUN),
    ],
)
def test_a_papers_deadline_is_read_from_its_evidence(evidence, deadline):
    assert deadline_in(evidence) == deadline


def test_evidence_in_words():
    evidence = {
        "unrecorded": 0, "at_least": 410, "credited": 410, "minimum": 540,
        "prorated_minimum": 540, "minutes_to_go": 130, "qualifying_days": 2,
        "days": ["2026-03-02", "2026-03-04"], "local_date": "2026-03-02", "missing": 1,
        "settled": False, "stage": "short", "session": "4b3f9a52-66f0-4d0a-9d0f-1c8a5f6f2f10",
        "booked": None, "per_day": [{"day": "2026-03-02", "credited": 170}],
    }  # fmt: skip
    assert evidence_lines(evidence) == [
        ("Credited", "6 h 50"),
        ("Minimum", "9 h"),
        ("To go", "2 h 10"),
        ("Qualifying days", "2"),
        ("Days", "Mon Mar 2, 2026; Wed Mar 4, 2026"),
        ("Local date", "Mon Mar 2, 2026"),
        ("Not recorded", "1"),
        ("Settled", "no"),
        ("Per day", "day Mon Mar 2, 2026, credited 2 h 50"),
    ]
