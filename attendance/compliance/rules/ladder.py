"""The outreach ladder: what to try next for a patient who stayed away (R19, 2b). Pure.

Call, second call, emergency contact (if the patient agreed), then a supervisor decides on a welfare
check; each only by a channel the patient allowed. A minor's guardian is called in their place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from iop_clinic.accounts.weeks import long_moment

PATIENCE = timedelta(hours=24)
"""How long an answer is waited for before somebody else is asked, or the supervisor."""
PATIENCE_IF_SILENT = timedelta(hours=4)
"""For somebody who has not been heard of for days already."""
PATIENCE_IF_PRIORITY = timedelta(hours=2)

OWN = frozenset({"call", "voicemail", "text", "in_person", "guardian"})
"""Methods that reach the patient, or the guardian who answers for a minor."""
UNANSWERED = frozenset({"no_answer", "left_message"})


class Step(StrEnum):
    CALL = "call"
    SECOND_CALL = "second_call"
    UPDATE_PHONE = "update_phone"
    EMERGENCY_CONTACT = "emergency_contact"
    WELFARE_CHECK = "welfare_check"
    WELFARE_RESULT = "welfare_result"
    IN_PERSON = "in_person"
    CLOSE = "close"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Tried:
    method: str
    result: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """What the patient allowed, and whether anybody may be called at all."""

    call: bool = False
    voicemail: bool = False
    text: bool = False
    say_clinic: bool = False
    best_time: str = ""
    emergency: bool = False
    guardian: bool = False
    deceased: bool = False
    on_hold: bool = False

    @property
    def method(self) -> str:
        """By which the patient is reached first."""
        if self.guardian:
            return "guardian"
        if self.call:
            return "call"
        return "text" if self.text else "in_person"


@dataclass(frozen=True, slots=True)
class NextStep:
    """`method` is the channel to use, empty where nobody is called; `not_before` lets people
    answer first."""

    step: Step
    sentence: str
    method: str = ""
    hints: tuple[str, ...] = ()
    not_before: datetime | None = None

    def said(self, zone: tzinfo) -> str:
        """ "Next: second call; best time: mornings; do not say the clinic's name." """
        wait = () if self.not_before is None else (_not_before(self.not_before, zone),)
        return "; ".join([self.sentence, *wait, *self.hints]) + "."


def next_step(
    tried: Sequence[Tried],
    contact: Contact,
    *,
    now: datetime,
    to_the_end: bool,
    patience: timedelta = PATIENCE,
) -> NextStep:
    """The next rung after these attempts, oldest first.

    `to_the_end`: whether the rule is about a patient who is away, so that others are asked after
    two calls without an answer; otherwise it is talked over at the next session.
    """
    if contact.deceased:
        return NextStep(Step.NONE, "Nobody is called: the patient has died")
    if contact.on_hold:
        return NextStep(Step.NONE, "On hold: no call is due")
    said = _answered(tried)
    if said is not None:
        return said
    open_tries = _since_reached(tried)
    unanswered = [one for one in open_tries if one.method in OWN and one.result in UNANSWERED]
    if len(unanswered) < 2:
        return _call(contact, second=bool(unanswered))
    if not to_the_end:
        return NextStep(
            Step.IN_PERSON,
            "Two tries without an answer: speak to the patient at the next session",
            "in_person",
        )
    return _ask_others(open_tries, unanswered[0].at, contact, now, patience)


def _answered(tried: Sequence[Tried]) -> NextStep | None:
    """What the latest attempt says by itself."""
    match tried[-1] if tried else None:
        case Tried(method="welfare_check", result="requested"):
            return NextStep(
                Step.WELFARE_RESULT,
                "Welfare check asked for: note what it found",
                "welfare_check",
            )
        case Tried(method="welfare_check", result="not_needed"):
            return NextStep(
                Step.CLOSE, "No welfare check: try again, or close the case with an outcome"
            )
        case Tried(method="welfare_check"):
            return NextStep(Step.CLOSE, "Welfare check done: close the case with an outcome")
        case Tried(method="emergency_contact"):
            return None
        case Tried(result="reached"):
            return NextStep(Step.CLOSE, "Reached: close the case with an outcome")
        case Tried(result="declined"):
            return NextStep(
                Step.CLOSE, "Declined to talk: respect it, and close the case with an outcome"
            )
        case Tried(method=method, result="wrong_number"):
            whose = "the guardian's phone" if method == "guardian" else "the phone"
            return NextStep(
                Step.UPDATE_PHONE,
                f"Wrong number: update {whose} on the patient's page, then call again",
            )
    return None


def _since_reached(tried: Sequence[Tried]) -> list[Tried]:
    """The attempts after the patient was last spoken to."""
    last = max(
        (n for n, one in enumerate(tried) if one.method in OWN and one.result == "reached"),
        default=-1,
    )
    return list(tried[last + 1 :])


def _call(contact: Contact, *, second: bool, sentence: str = "") -> NextStep:
    words = {
        "call": "second call, at another time of day" if second else "call",
        "guardian": "call the guardian" + (" again" if second else ""),
        "text": ("second text message" if second else "text message") + " (no call is allowed)",
        "in_person": "speak in person (neither call nor text is allowed)",
    }
    step = Step.SECOND_CALL if second else Step.CALL
    said = sentence or f"Next: {words[contact.method]}"
    return NextStep(step, said, contact.method, _hints(contact))


def _hints(contact: Contact) -> tuple[str, ...]:
    if contact.method == "in_person":
        return ()
    own = contact.method != "guardian"
    best = [f"best time: {contact.best_time}"] if contact.best_time and own else []
    name = [] if contact.say_clinic else ["do not say the clinic's name"]
    voicemail = {True: "a voicemail is allowed", False: "leave no voicemail"}
    left = [voicemail[contact.voicemail]] if contact.method == "call" else []
    return (*best, *name, *left)


def _ask_others(
    tried: Sequence[Tried],
    first_at: datetime,
    contact: Contact,
    now: datetime,
    patience: timedelta,
) -> NextStep:
    asked = [one for one in tried if one.method == "emergency_contact"]
    if contact.emergency and not asked:
        return NextStep(
            Step.EMERGENCY_CONTACT,
            "Next: the emergency contact, as the patient agreed",
            "emergency_contact",
            ("say nothing about treatment",),
            _still_ahead(first_at + patience, now),
        )
    if tried[-1] in asked and tried[-1].result == "reached":
        said = "Next: call the patient again, the emergency contact was reached"
        return _call(contact, second=True, sentence=said)
    return NextStep(
        Step.WELFARE_CHECK,
        "Next: a supervisor decides on a welfare check",
        "welfare_check",
        ("say nothing about treatment",),
        _still_ahead(tried[-1].at + patience, now),
    )


def _still_ahead(at: datetime, now: datetime) -> datetime | None:
    return at if at > now else None


def _not_before(at: datetime, zone: tzinfo) -> str:
    return f"not before {long_moment(at.astimezone(zone))}"
