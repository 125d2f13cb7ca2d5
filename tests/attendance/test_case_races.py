"""The same case at the same time, through connections of their own."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from attendance.compliance import cases, escalation
from attendance.compliance.escalation import ESCALATION, escalate
from attendance.compliance.week_notes import write_week_note
from attendance.models import AbsenceRule, Flag, WeekNote
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import AuditEvent, User
from iop_clinic.accounts.roles import Role
from tests import factories as f
from tests.attendance.house import MON, WED, House
from tests.attendance.nights import case
from tests.attendance.together import together

pytestmark = pytest.mark.django_db(transaction=True)

PAUSE = 0.15


@pytest.fixture
def unhurried(monkeypatch):
    """Every verb thinks for a moment between reading and saving, so that two would meet."""
    take = cases._take

    def take_slowly(flag: Flag, version: int | None) -> None:
        take(flag, version)
        time.sleep(PAUSE)

    monkeypatch.setattr(cases, "_take", take_slowly)


@pytest.fixture
def house() -> House:
    house = House()
    f.staff(house.clinic, Role.ADMINISTRATOR)
    return house


def at_once(flag: Flag, *calls: Callable[..., Any]) -> list[Any]:
    """Each call with a row of its own, as two requests would have."""
    rows = [Flag.objects.get(pk=flag.pk) for _ in calls]
    return together(*(partial(call, flag=row) for call, row in zip(calls, rows, strict=True)))


def a_little_later(call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        time.sleep(PAUSE / 3)
        return call()

    return run


def by_two(house: House, verb: Callable[..., Any], **given: Any) -> tuple[Any, list[User]]:
    people = [f.staff(house.clinic) for _ in range(2)]
    return [partial(verb, by=person, **given) for person in people], people


@pytest.mark.parametrize(
    ("verb", "given"),
    [
        (cases.resolve, {"outcome": "reached"}),
        (cases.acknowledge, {}),
        (cases.log_outreach, {"method": "in_person", "result": "no_answer"}),
    ],
)
def test_of_two_people_with_the_same_page_one_is_told(house, unhurried, verb, given):
    flag = case(house.clinic, episode=house.patient(seat=None))
    calls, people = by_two(house, verb, version=1, **given)
    answers = at_once(flag, *calls)
    [refused] = [answer for answer in answers if isinstance(answer, Exception)]
    assert isinstance(refused, Refused)
    assert refused.code == "stale_version"
    winner = people[1 - answers.index(refused)]
    trail = AuditEvent.objects.filter(table_name="attendance_flag", operation="U")
    assert [event.actor for event in trail] == [winner.actor]
    assert Flag.objects.get(pk=flag.pk).version == 2


def test_a_case_is_closed_once_even_without_a_version(house, unhurried):
    flag = case(house.clinic, episode=house.patient(seat=None))
    calls, _ = by_two(house, cases.resolve, outcome="reached")
    answers = at_once(flag, *calls)
    codes = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert codes == ["case_closed"]


def test_two_first_notes_are_one_note(house):
    flag = case(
        house.clinic, episode=house.patient(seat=None), rule=AbsenceRule.Kind.HOURS,
        evidence_key=f"{MON}:program",
    )  # fmt: skip
    calls, _ = by_two(house, write_week_note, reason="work", make_up_offered="None", version=1)
    answers = at_once(flag, *calls)
    assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [Refused]
    assert WeekNote.objects.count() == 1


def test_the_night_does_not_undo_what_a_person_closes_meanwhile(house, unhurried):
    pat = house.patient()
    house.day(MON, [pat])
    house.missed(pat, MON)
    house.night(MON)
    [flag] = house.flags(AbsenceRule.Kind.NO_CALL_DAY)
    house.came(pat, MON)  # corrected: the night would close it by facts
    answers = together(
        partial(cases.resolve, flag=flag, outcome="excused", by=house.user),
        a_little_later(lambda: house.night(WED)),
    )
    assert not any(isinstance(answer, Exception) for answer in answers), answers
    stored = Flag.objects.get(pk=flag.pk)
    assert (stored.outcome, stored.closed_by_facts) == ("excused", False)


def test_the_person_is_told_when_the_night_was_faster(house):
    pat = house.patient()
    house.day(MON, [pat])
    house.missed(pat, MON)
    house.night(MON)
    [flag] = house.flags(AbsenceRule.Kind.NO_CALL_DAY)
    house.came(pat, MON)
    house.night(WED)
    with pytest.raises(Refused, match="Someone changed this"):
        cases.resolve(flag=flag, outcome="excused", version=1, by=house.user)
    assert Flag.objects.get(pk=flag.pk).closed_by_facts is True


def test_a_case_that_somebody_takes_on_at_this_moment_does_not_go_on(house, unhurried):
    flag = overdue(house)
    late = house.at(MON, "12:00")
    answers = together(
        partial(cases.acknowledge, flag=flag, by=house.user),
        a_little_later(partial(escalate, now=late, by=ESCALATION)),
    )
    assert answers[1] == 0
    stored = Flag.objects.get(pk=flag.pk)
    assert (stored.state, stored.owner_role) == ("acknowledged", Role.THERAPIST)


def test_two_ticks_hand_a_case_on_once(house, monkeypatch):
    flag = overdue(house)
    steps = escalation._steps
    monkeypatch.setattr(escalation, "_steps", lambda *rows: a_little_later(partial(steps, *rows))())
    late = house.at(MON, "12:00")
    call = partial(escalate, now=late, by=ESCALATION)
    assert sorted(together(call, call)) == [0, 1]
    assert Flag.objects.get(pk=flag.pk).version == 2


def overdue(house: House) -> Flag:
    due = house.at(MON, "09:00")
    return case(house.clinic, episode=house.patient(seat=None), due_at=due, opened_at=due)
