"""The outreach ladder as a pure rule: what was tried and allowed -> what comes next."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from attendance.compliance.rules.ladder import (
    PATIENCE,
    PATIENCE_IF_PRIORITY,
    Contact,
    NextStep,
    Step,
    Tried,
    next_step,
)

NOON = datetime.datetime(2026, 3, 3, 17, tzinfo=datetime.UTC)  # 12:00 in New York
ZONE = ZoneInfo("America/New_York")
HOUR = datetime.timedelta(hours=1)
OPEN = Contact(call=True, voicemail=True, text=True, say_clinic=True, emergency=True)
CLOSED = Contact()


def tries(*told: str) -> list[Tried]:
    """ "call no_answer 26": a call without an answer 26 hours ago."""
    parts = (one.split() for one in told)
    return [Tried(method, result, NOON - int(ago) * HOUR) for method, result, ago in parts]


def after(*told: str, contact: Contact = OPEN, **rest: object) -> NextStep:
    given = {"now": NOON, "to_the_end": True, **rest}
    return next_step(tries(*told), contact, **given)  # type: ignore[arg-type]


TWO = ("call no_answer 26", "call left_message 25")


@pytest.mark.parametrize(
    ("told", "step", "method"),
    [
        ((), "call", "call"),
        (("call no_answer 1",), "second_call", "call"),
        (("voicemail left_message 1",), "second_call", "call"),
        (("text left_message 1",), "second_call", "call"),
        (("call wrong_number 1",), "update_phone", ""),
        (("call wrong_number 2", "call no_answer 1"), "second_call", "call"),
        (("call reached 1",), "close", ""),
        (("call declined 1",), "close", ""),
        (("call reached 50", "call no_answer 1"), "second_call", "call"),
        (TWO, "emergency_contact", "emergency_contact"),
        ((*TWO, "emergency_contact no_answer 24"), "welfare_check", "welfare_check"),
        ((*TWO, "emergency_contact wrong_number 24"), "welfare_check", "welfare_check"),
        ((*TWO, "emergency_contact reached 1"), "second_call", "call"),
        (
            (*TWO, "emergency_contact reached 26", "call no_answer 25"),
            "welfare_check", "welfare_check",
        ),
        ((*TWO, "welfare_check requested 1"), "welfare_result", "welfare_check"),
        ((*TWO, "welfare_check not_needed 1"), "close", ""),
        ((*TWO, "welfare_check requested 2", "welfare_check reached 1"), "close", ""),
        ((*TWO, "welfare_check requested 2", "welfare_check no_answer 1"), "close", ""),
    ],
)  # fmt: skip
def test_the_rungs_in_order(told, step, method):
    found = after(*told)
    assert (found.step, found.method, found.not_before) == (step, method, None)


def test_a_second_call_may_follow_the_same_day():
    found = after("call no_answer 0")
    assert (found.step, found.not_before) == (Step.SECOND_CALL, None)


@pytest.mark.parametrize(
    ("contact", "method"),
    [
        (Contact(call=True, text=True), "call"),
        (Contact(text=True), "text"),
        (CLOSED, "in_person"),
        (Contact(call=True, guardian=True), "guardian"),
    ],
)
def test_by_the_best_channel_that_is_allowed(contact, method):
    assert after(contact=contact).method == method


@pytest.mark.parametrize(
    ("first", "patience", "waits_until"),
    [
        ("call no_answer 23", PATIENCE, NOON + HOUR),
        ("call no_answer 24", PATIENCE, None),
        ("call no_answer 1", PATIENCE_IF_PRIORITY, NOON + HOUR),
        ("call no_answer 2", PATIENCE_IF_PRIORITY, None),
    ],
)
def test_an_answer_is_waited_for_before_the_emergency_contact(first, patience, waits_until):
    found = after(first, "call no_answer 0", patience=patience)
    assert (found.step, found.not_before) == (Step.EMERGENCY_CONTACT, waits_until)


def test_without_consent_the_supervisor_is_next():
    found = after(*TWO, contact=Contact(call=True))
    assert (found.step, found.not_before) == (Step.WELFARE_CHECK, None)
    waiting = after("call no_answer 26", "call no_answer 23", contact=Contact(call=True))
    assert (waiting.step, waiting.not_before) == (Step.WELFARE_CHECK, NOON + HOUR)


def test_a_rule_about_somebody_who_comes_asks_nobody_else():
    found = after(*TWO, to_the_end=False)
    assert (found.step, found.method) == (Step.IN_PERSON, "in_person")


@pytest.mark.parametrize("told", [(), TWO, ("call wrong_number 1",)])
def test_nobody_is_called_after_a_death_or_on_a_hold(told):
    for contact in (Contact(call=True, deceased=True), Contact(call=True, on_hold=True)):
        found = after(*told, contact=contact)
        assert (found.step, found.method) == (Step.NONE, "")


@pytest.mark.parametrize(
    ("contact", "told", "sentence"),
    [
        (
            Contact(call=True, best_time="mornings"),
            ("call no_answer 1",),
            (
                "Next: second call, at another time of day; best time: mornings; "
                "do not say the clinic's name; leave no voicemail."
            ),
        ),
        (OPEN, (), "Next: call; a voicemail is allowed."),
        (
            Contact(text=True),
            (),
            "Next: text message (no call is allowed); do not say the clinic's name.",
        ),
        (CLOSED, (), "Next: speak in person (neither call nor text is allowed)."),
        (
            Contact(guardian=True, say_clinic=True, best_time="after school"),
            ("guardian no_answer 1",),
            "Next: call the guardian again.",
        ),
        (
            OPEN,
            ("call no_answer 23", "call no_answer 1"),
            (
                "Next: the emergency contact, as the patient agreed; "
                "not before Tue Mar 3, 1:00 PM; say nothing about treatment."
            ),
        ),
        (
            OPEN,
            ("guardian wrong_number 1",),
            "Wrong number: update the guardian's phone on the patient's page, then call again.",
        ),
    ],
)
def test_the_sentence_says_how(contact, told, sentence):
    assert after(*told, contact=contact).said(ZONE) == sentence
