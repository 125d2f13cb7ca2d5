"""What happened to a case, told from the trail, the outreach and the note."""

import datetime

import pytest

from attendance.compliance.case_history import case_history
from attendance.compliance.cases import acknowledge, assign, log_outreach, resolve, snooze
from attendance.compliance.escalation import ESCALATION, escalate
from attendance.compliance.outreach import attempts_for, step_for
from attendance.compliance.week_notes import write_week_note
from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.acting import acting
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Role
from tests import factories as f
from tests.attendance.house import JOB, MON, THU, TUE, WED, House
from tests.attendance.nights import case

pytestmark = pytest.mark.django_db

SENTENCE = "Week of Mar 2 – Mar 8, 2026: short."


@pytest.fixture
def house(time_machine):
    house = House()
    time_machine.move_to(house.at(TUE, "09:00"), tick=False)
    return house


@pytest.fixture
def flag(house):
    episode = house.patient(seat=None)
    episode.patient.phone, episode.patient.phone_is_safe = "555 0100", True
    episode.patient.save()
    with acting(JOB):
        return case(
            house.clinic, episode=episode, rule=AbsenceRule.Kind.HOURS, sentence=SENTENCE,
            evidence_key=f"{MON}:program", owner_role=Role.THERAPIST, opened_for=MON,
            due_at=house.at(TUE, "10:00"),
        )  # fmt: skip


def person(house: House, name: str) -> User:
    user = f.staff(house.clinic)
    user.name = name
    user.save()
    return user


def next_of(flag: Flag, now: datetime.datetime) -> str:
    step = step_for(flag, list(attempts_for(flag)), now)
    return step.step if step else ""


def told(flag: Flag) -> list[tuple[str, str, str]]:
    """By, what and text of each step; people by name."""
    steps = case_history(flag, list(attempts_for(flag)))
    return [(step.by, step.what, step.text) for step in steps]


def test_a_case_from_opened_to_closed(house, flag, time_machine):
    ann, bob = person(house, "Ann"), person(house, "Bob")
    f.staff(house.clinic, Role.ADMINISTRATOR)
    time_machine.move_to(house.at(TUE, "11:00"))
    assert escalate(now=house.at(TUE, "11:00"), by=ESCALATION) == 1
    time_machine.move_to(house.at(TUE, "11:30"))
    acknowledge(flag=flag, by=ann)
    assign(flag=flag, owner=bob, by=ann)
    log_outreach(flag=flag, method="call", result="no_answer", note="Rang out", by=bob)
    snooze(flag=flag, until=THU, reason="In court", by=bob)
    write_week_note(flag=flag, reason="court", make_up_offered="Saturday", by=bob)
    resolve(flag=flag, outcome="excused", note="Paper seen", by=ann)
    assert told(flag) == [
        ("the nightly run", "opened", f"Opened for the therapist: {SENTENCE}"),
        (
            "the escalation",
            "escalated",
            "Overdue, nobody had taken it on: gone to the coordinator.",
        ),
        ("Bob", "outreach", "Call: no answer. Rang out"),
        ("Ann", "acknowledged", "Taken on."),
        ("Ann", "assigned", "Handed to Bob."),
        ("Bob", "snoozed", "Put off until Thu Mar 5: In court"),
        ("Bob", "week_note", "Week's note: Court or custody; Saturday."),
        ("Ann", "closed", "Closed: Excused after review. Paper seen"),
    ]


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (
            {"sentence": "Worse.", "severity": 4},
            ("changed", "Now: Worse. Severity: urgent, before act today."),
        ),
        ({"severity": 1}, ("changed", "Severity: notice, before act today.")),
        ({"state": "lapsed", "outcome_note": "Slid past."}, ("lapsed", "Lapsed. Slid past.")),
        (
            {"state": "closed", "outcome": "facts", "closed_by_facts": True,
             "outcome_note": "Repaired."},
            ("closed", "Closed by facts. Repaired."),
        ),
    ],
)  # fmt: skip
def test_what_the_night_changes(house, flag, facts, line):
    if facts.get("state"):
        facts = {**facts, "closed_at": house.at(WED, "05:00")}
    with acting(JOB):
        Flag.objects.filter(pk=flag.pk).update(**facts, version=2)
    assert told(flag)[1:] == [("the nightly run", *line)]


def test_reopened_and_awake_again(house, flag):
    closed = {"state": "closed", "outcome": "facts", "closed_at": house.at(WED, "05:00")}
    opened = {"state": "open", "outcome": "", "closed_at": None}
    asleep = {"state": "snoozed", "snoozed_until": THU}
    with acting(JOB):
        for facts in (closed, opened, asleep, {"state": "open", "snoozed_until": None}):
            Flag.objects.filter(pk=flag.pk).update(**facts)
    assert [what for _, what, _ in told(flag)] == [
        "opened", "closed", "reopened", "snoozed", "woken",
    ]  # fmt: skip
    assert told(flag)[2][2] == "Open again: the facts came back."


def test_each_step_is_told_at_the_time_the_row_names(house, flag, time_machine):
    """Whenever it was written: the days of the demo are all written on one."""
    person = house.user
    time_machine.move_to(house.at(TUE, "10:00"), tick=False)
    log_outreach(
        flag=flag, method="call", result="no_answer", attempted_at=house.at(TUE, "09:30"), by=person
    )
    written, closed = house.at(WED, "10:00"), house.at(WED, "10:30")
    write_week_note(flag=flag, reason="work", make_up_offered="None", by=person, now=written)
    resolve(flag=flag, outcome="excused", by=person, now=closed)
    flag.refresh_from_db()
    steps = case_history(flag, list(attempts_for(flag)))
    assert [(step.what, step.at) for step in steps] == [
        ("opened", house.at(TUE, "09:00")),
        ("outreach", house.at(TUE, "09:30")),
        ("week_note", written),
        ("closed", closed),
    ]


def test_whoever_logs_an_attempt_is_not_handed_the_case(house, flag):
    log_outreach(flag=flag, method="call", result="no_answer", by=house.user)
    assert [what for _, what, _ in told(flag)] == ["opened", "outreach"]


def test_a_role_is_named_as_it_is_said(house, flag):
    other = case(house.clinic, episode=flag.episode, owner_role=Role.UTILIZATION_REVIEW)
    assert told(other)[0][2].startswith("Opened for utilization review: ")


def test_a_query_by_hand_is_told_as_the_databases(flag):
    Flag.objects.filter(pk=flag.pk).update(sentence="Other.")
    assert told(flag)[1][0].startswith("database:")


def test_another_cases_history_is_not_in_it(house, flag):
    other = case(house.clinic, episode=flag.episode, sentence="Other case")
    acknowledge(flag=other, by=house.user)
    assert len(told(flag)) == 1


# The ladder on rows


def test_a_call_on_another_case_of_the_patient_counts(house, flag):
    other = case(house.clinic, episode=flag.episode, opened_at=flag.opened_at)
    log_outreach(flag=other, method="call", result="no_answer", by=house.user)
    tried = list(attempts_for(flag))
    assert (len(tried), next_of(flag, house.at(TUE, "12:00"))) == (1, "second_call")


def test_a_call_before_the_case_is_no_try_of_it(house, flag):
    other = case(house.clinic, episode=flag.episode)
    earlier = house.at(MON, "15:00")
    log_outreach(flag=other, method="call", result="no_answer", attempted_at=earlier, by=house.user)
    assert not attempts_for(flag).exists()
    assert next_of(flag, house.at(TUE, "12:00")) == "call"


@pytest.mark.parametrize(
    ("rule", "priority", "waits"),
    [
        (AbsenceRule.Kind.NO_CALL_DAY, "", 24),
        (AbsenceRule.Kind.SILENT_DAYS, "", 4),
        (AbsenceRule.Kind.SILENT_DAYS, "moud", 2),
    ],
)
def test_how_long_an_answer_is_waited_for(house, flag, rule, priority, waits):
    Flag.objects.filter(pk=flag.pk).update(rule=rule, evidence_key="x")
    flag.episode.priority = priority
    flag.episode.save()
    for clock in ("08:00", "08:30"):
        log_outreach(
            flag=flag, method="call", result="no_answer", by=house.user,
            attempted_at=house.at(TUE, clock),
        )  # fmt: skip
    step = step_for(flag, list(attempts_for(flag)), house.at(TUE, "09:00"))
    answer_by = house.at(TUE, "08:30") + datetime.timedelta(hours=waits)
    assert step is not None
    assert (step.step, step.not_before) == ("welfare_check", answer_by)


@pytest.mark.parametrize("rule", [AbsenceRule.Kind.PLAN_DUE, AbsenceRule.Kind.CASELOAD])
def test_papers_and_places_have_no_ladder(house, flag, rule):
    flag.rule = rule
    assert step_for(flag, [], house.at(TUE, "09:00")) is None


def test_a_closed_case_asks_for_nothing_more(house, flag):
    write_week_note(flag=flag, reason="court", make_up_offered="Saturday", by=house.user)
    resolve(flag=flag, outcome="reached", by=house.user)
    assert step_for(flag, [], house.at(TUE, "09:00")) is None
