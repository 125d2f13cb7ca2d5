"""Treatment days in one letter each, for tests of pure arithmetic.

    month("A.x.e")    # attended on March 1, missed on the 3rd, excused on the 5th

"l" is an attended day with a late arrival, "." a date without treatment.
"""

from datetime import date, timedelta

from attendance.compliance.rules.absences import DayKind, TreatmentDay

LETTERS = {
    "A": DayKind.ATTENDED,
    "l": DayKind.ATTENDED,
    "x": DayKind.MISSED_UNEXCUSED,
    "e": DayKind.MISSED_EXCUSED,
    "p": DayKind.MISSED_PENDING,
    "c": DayKind.CANCELLED,
    "u": DayKind.UNRECORDED,
}


def march(n):
    return date(2026, 2, 28) + timedelta(days=n)


def month(letters):
    dated = enumerate(letters, start=1)
    return [TreatmentDay(march(n), LETTERS[one], late=one == "l") for n, one in dated if one != "."]


def found(evidence):
    """Evidence as day numbers: (the day that reached the limit, the days counted)."""
    return [
        ((one.reached_on - march(0)).days, [(day - march(0)).days for day in one.days])
        for one in evidence
    ]
