"""Countdowns, runways and spells: the arithmetic of papers and places, one day either side."""

from datetime import date, timedelta

import pytest

from attendance.compliance.rules.authorizations import (
    Approval,
    Runway,
    Unit,
    authorization_stage,
    runway,
)
from attendance.compliance.rules.countdowns import Countdown, Stage, paper_severity
from attendance.compliance.rules.severity import Severity
from attendance.compliance.rules.spells import spell_start
from attendance.compliance.rules.weeks import DayMinutes, StandardTerms
from attendance.compliance.spans import Span

AHEAD, NEAR, NOW, OVER = Stage
MON, TUE, WED, THU, FRI, SAT, SUN = (date(2026, 3, n) for n in range(2, 9))
DAY = timedelta(days=1)

AUTHORIZATION, CERTIFICATION = Countdown(7, 3, 1), Countdown(14, 7, 0)
LICENSE, REVIEW = Countdown(30, 7, 0), Countdown(7, 0, 0)


@pytest.mark.parametrize(
    ("countdown", "days_left", "stage"),
    [
        (AUTHORIZATION, 8, None),
        (AUTHORIZATION, 7, AHEAD),
        (AUTHORIZATION, 4, AHEAD),
        (AUTHORIZATION, 3, NEAR),
        (AUTHORIZATION, 2, NEAR),
        (AUTHORIZATION, 1, NOW),
        (AUTHORIZATION, 0, NOW),
        (AUTHORIZATION, -1, OVER),
        (CERTIFICATION, 15, None),
        (CERTIFICATION, 14, AHEAD),
        (CERTIFICATION, 8, AHEAD),
        (CERTIFICATION, 7, NEAR),
        (CERTIFICATION, 1, NEAR),
        (CERTIFICATION, 0, NOW),
        (CERTIFICATION, -1, OVER),
        (LICENSE, 31, None),
        (LICENSE, 30, AHEAD),
        (LICENSE, 8, AHEAD),
        (LICENSE, 7, NEAR),
        (LICENSE, 0, NOW),
        (LICENSE, -1, OVER),
        (REVIEW, 8, None),
        (REVIEW, 7, AHEAD),
        (REVIEW, 1, AHEAD),
        (REVIEW, 0, NOW),
        (REVIEW, -1, OVER),
    ],
)
def test_stages(countdown, days_left, stage):
    assert countdown.stage(days_left) == stage


@pytest.mark.parametrize(
    ("base", "stage", "severity"),
    [
        (Severity.ACT, AHEAD, Severity.NOTICE),
        (Severity.ACT, NEAR, Severity.WATCH),
        (Severity.ACT, NOW, Severity.ACT),
        (Severity.ACT, OVER, Severity.ACT),
        (Severity.WATCH, AHEAD, Severity.NOTICE),
        (Severity.NOTICE, NEAR, Severity.NOTICE),
        (Severity.URGENT, OVER, Severity.URGENT),
    ],
)
def test_early_is_quiet_and_nothing_is_urgent_by_itself(base, stage, severity):
    assert paper_severity(base, stage) == severity


# Units of an authorization

TERMS = StandardTerms(minimum=540, maximum=None, day_threshold=180, days=3)


def came(day, minutes=180, services=3):
    return DayMinutes(day, 1, scheduled=180, credited=minutes, attended=minutes, services=services)


def booked(day, minutes=180, services=3):
    return DayMinutes(
        day, 1, scheduled=180, credited_open=minutes, attended_open=minutes, services_open=services
    )


def covers(unit, units, *lines, terms=TERMS):
    return runway(Approval(unit, units, MON, SUN), lines, terms)


RUNWAYS = [
    ("nothing booked, nothing used", Unit.DAY, 3, [], Runway(0, 3, None, None)),
    ("a qualifying day is a unit", Unit.DAY, 3, [came(MON)], Runway(1, 2, None, None)),
    ("equality qualifies", Unit.DAY, 3, [came(MON, 180)], Runway(1, 2, None, None)),
    ("a minute less is no day", Unit.DAY, 3, [came(MON, 179)], Runway(0, 3, None, None)),
    ("just enough for what is booked", Unit.DAY, 2, [came(MON), booked(WED)],
     Runway(1, 1, WED, None)),
    ("one day too many is booked", Unit.DAY, 2, [came(MON), booked(WED), booked(FRI)],
     Runway(1, 1, WED, FRI)),
    ("all used", Unit.DAY, 1, [came(MON)], Runway(1, 0, MON, None)),
    ("used up, and more is booked", Unit.DAY, 1, [came(MON), booked(WED)],
     Runway(1, 0, MON, WED)),
    ("more used than approved", Unit.DAY, 1, [came(MON), came(TUE)], Runway(2, 0, MON, TUE)),
    ("a day that cannot qualify needs no unit", Unit.DAY, 1, [came(MON), booked(WED, 100)],
     Runway(1, 0, MON, None)),
    ("visits are attended services", Unit.VISIT, 5, [came(MON, 120, 2)], Runway(2, 3, None, None)),
    ("three visits for two units", Unit.VISIT, 5, [came(MON), booked(WED)],
     Runway(3, 2, WED, WED)),
    ("hours are minutes", Unit.HOUR, 9, [came(MON, 170)], Runway(2, 6, None, None)),
    ("59 minutes left are no hour", Unit.HOUR, 3, [came(MON, 121)], Runway(2, 0, None, None)),
    ("an hour left", Unit.HOUR, 3, [came(MON, 120)], Runway(2, 1, None, None)),
    ("hours run out within a day", Unit.HOUR, 5, [came(MON), booked(WED)],
     Runway(3, 2, WED, WED)),
    ("before and after it counts nothing", Unit.DAY, 2,
     [came(MON - DAY), came(MON), booked(SUN + DAY)], Runway(1, 1, None, None)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "units", "lines", "expected"), [r[1:] for r in RUNWAYS], ids=[r[0] for r in RUNWAYS]
)
def test_runway(unit, units, lines, expected):
    assert covers(unit, units, *lines) == expected


def test_only_the_standards_session_types_are_days():
    terms = StandardTerms(540, None, 180, 3, counted_types=frozenset({2}))
    assert covers(Unit.DAY, 3, came(MON), terms=terms) == Runway(0, 3, None, None)


def stage_of(units, *lines, today=TUE, ends=SUN, followed=False):
    approval = Approval(Unit.DAY, units, MON, ends)
    return authorization_stage(
        approval,
        runway(approval, lines, TERMS),
        today=today,
        countdown=AUTHORIZATION,
        few_units=3,
        followed=followed,
    )


FAR = SUN + 60 * DAY


@pytest.mark.parametrize(
    ("units", "lines", "more", "stage"),
    [
        (5, [came(MON)], {}, None),
        (4, [came(MON)], {}, NEAR),
        (4, [came(MON)], {"followed": True}, None),
        (2, [came(MON), came(TUE)], {}, OVER),
        (2, [came(MON), came(TUE)], {"followed": True}, None),
        (2, [came(MON), came(TUE), booked(WED)], {"followed": True}, OVER),
        (3, [came(MON), booked(WED), booked(THU), booked(FRI)], {"followed": True}, NEAR),
        (5, [came(MON), *(booked(d) for d in (TUE, WED, THU, FRI, SAT))], {}, AHEAD),
        (6, [came(MON), *(booked(d) for d in (TUE, WED, THU, FRI, SAT))], {}, None),
    ],
    ids=[
        "four left", "three left", "three left, another follows", "used up",
        "used up on the last booked day, another follows", "used up too early, another follows",
        "runs out soon", "runs out by what is booked", "enough for what is booked",
    ],
)  # fmt: skip
def test_units_make_a_stage_where_the_end_is_far(units, lines, more, stage):
    assert stage_of(units, *lines, ends=FAR, **more) == stage


@pytest.mark.parametrize(
    ("ends", "followed", "stage"),
    [
        (TUE + 8 * DAY, False, None),
        (TUE + 7 * DAY, False, AHEAD),
        (TUE + 3 * DAY, False, NEAR),
        (TUE + DAY, False, NOW),
        (TUE, False, NOW),
        (MON, False, OVER),
        (TUE + DAY, True, None),
    ],
)
def test_the_end_makes_a_stage_while_units_are_left(ends, followed, stage):
    assert stage_of(30, came(MON), ends=ends, followed=followed) == stage


# Since when


def since(stays, **more):
    """Since when fewer than two stay, as of Friday."""
    return spell_start([Span(*stay) for stay in stays], FRI, holds=(2).__gt__, **more)


@pytest.mark.parametrize(
    ("stays", "expected"),
    [
        ([(MON,), (MON,)], None),
        ([(MON, WED), (MON,)], THU),
        ([(MON, THU), (MON, WED), (MON - DAY,)], FRI),
        ([(MON, THU), (MON, WED)], THU),
        ([(MON, TUE), (MON,), (THU, THU)], FRI),
        ([(MON, TUE), (MON,), (WED, WED)], THU),
        ([(MON,)], date.min),
        ([], date.min),
    ],
    ids=[
        "enough", "one left", "one of three left, another", "both left", "below again",
        "one day of three in between", "never enough", "nobody",
    ],
)  # fmt: skip
def test_the_start_of_a_spell_under_a_size(stays, expected):
    assert since(stays) == expected


def test_a_spell_never_starts_before_the_first_meeting():
    assert since([(MON,)], since=WED) == WED
    assert since([(MON, TUE), (MON,)], since=MON) == WED
