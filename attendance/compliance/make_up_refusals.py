"""Why a patient may not make up in a session, in the words of a refusal.

The session, the patient's own week, eligibility, the payers' units, and last the seats.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import partial

from attendance.compliance.make_up_facts import Facts, free_seats, is_seated, offer_of
from attendance.compliance.rules.authorizations import Approval, Unit, runway
from attendance.compliance.rules.make_ups import Need, Offer
from attendance.compliance.rules.weeks import StandardTerms
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.weeks import long_date
from patients.models import Authorization
from scheduling.eligibility import refusals
from scheduling.models import Session
from scheduling.rules import Span


def troubles(facts: Facts, sessions: Sequence[Session]) -> dict[int, Refused]:
    """By key, why the patient may not make up in a session; at most 3 statements for any number.

    A full session comes last, so that `session_full` says that nothing else stands in the way.
    """
    (trouble,) = checks([facts], sessions)
    found = ((one.pk, trouble(one)) for one in sessions)
    return {key: refused for key, refused in found if refused is not None}


def checks(
    each: Sequence[Facts], sessions: Sequence[Session]
) -> list[Callable[[Session], Refused | None]]:
    """For each patient, what says of one of the sessions why they may not make up in it.

    At most 3 statements; nothing but eligibility is worked out before somebody asks.
    """
    unfit = refusals(episodes=[facts.episode for facts in each], sessions=sessions)
    return [partial(_trouble, facts, unfit[facts.episode.pk]) for facts in each]


def _trouble(facts: Facts, unfit: Mapping[int, Refused], session: Session) -> Refused | None:
    return (
        _of_session(facts, session)
        or _of_patient(facts, session)
        or unfit.get(session.pk)
        or _of_payers(facts, session)
        or _of_seats(facts, session)
    )


def _of_session(facts: Facts, session: Session) -> Refused | None:
    if not session.live:
        return _refused("session_cancelled", "The session is cancelled. Choose another one.")
    if session.signed_at is not None:
        return _refused(
            "roster_signed", "The roster of this session is signed. Choose another one."
        )
    if session.starts_at <= facts.now:
        return _refused("session_begun", "The session has begun. Choose a later one.")
    if facts.diary.closure(Span(session.starts_at, session.ends_at)) is not None:
        return _refused(
            "clinic_closed", "The clinic is closed at this time. Choose another session."
        )
    if not session.session_type.creditable:
        return _refused(
            "not_counted", "The session's minutes do not count as treatment. Choose another one."
        )
    return None


def _of_patient(facts: Facts, session: Session) -> Refused | None:
    day = session.local_date
    if not facts.first <= day <= facts.last:
        return _refused(
            "outside_week",
            f"The session is not in the week of {facts.week.label}. Choose one of it.",
        )
    if facts.course.on_hold_on(day):
        return _refused(
            "on_hold", f"The patient is on hold on {long_date(day)}. End the hold first."
        )
    own = facts.own(session)
    if own is not None and is_seated(own):
        return _refused("already_booked", "The patient is booked into this session already.")
    span = Span(session.starts_at, session.ends_at)
    if any(span.overlaps(other) for key, other in facts.busy if key != session.pk):
        return _refused(
            "patient_busy", "The patient is booked elsewhere at this time. Choose another session."
        )
    return None


def _of_seats(facts: Facts, session: Session) -> Refused | None:
    own: Collection[int] = session.own_patients  # type: ignore[attr-defined]
    if any(patient != facts.episode.patient_id for patient in own):
        return _refused("not_suitable", "The session is another patient's own. Choose another one.")
    if not free_seats(session):
        return _refused(
            "session_full",
            f"All {session.capacity} seats of {session} are taken. Choose another session.",
        )
    return None


def _of_payers(facts: Facts, session: Session) -> Refused | None:
    if not _asks_units(facts, session.local_date):
        return None
    return unpaid(facts, [offer_of(facts, session)])


def unpaid(facts: Facts, offers: Sequence[Offer]) -> Refused | None:
    """Why these sessions cannot all be attended: `not_authorized`, or None where all are paid."""
    day = next((one.local_date for one in offers if not _is_paid(facts, one, offers)), None)
    if day is None:
        return None
    if len(offers) > 1:
        message = "No payer's authorization has units left for all of these sessions."
    else:
        message = f"No payer's authorization covers {long_date(day)} with a unit left."
    return _refused("not_authorized", message)


def _refused(code: str, message: str) -> Refused:
    return Refused(code, message, field="session")


# --- who pays -------------------------------------------------------------------------------------


def pays(facts: Facts, offers: Sequence[Offer]) -> bool:
    """Whether payers cover these sessions, all of them together (R23).

    Without a payer in force nobody is asked. One that needs no authorization pays; any other by an
    authorization of the plan's level that reaches the date and has units left for all of these
    sessions in its dates beside what is booked already.
    """
    return all(_is_paid(facts, one, offers) for one in offers)


def _is_paid(facts: Facts, offer: Offer, together: Sequence[Offer]) -> bool:
    day = offer.local_date
    if not _asks_units(facts, day):
        return True
    plan = facts.course.plan_on(day)
    valid = (row for row in _reaching(facts, day) if plan and row.level == plan.level)
    return any(_has_units(facts, row, together) for row in valid)


def _asks_units(facts: Facts, day: date) -> bool:
    """Whether the payer in force on the date pays by an authorization alone."""
    insured = [row for row in facts.coverages if _between(row.starts_on, day, row.ends_on)]
    if insured:
        return all(row.payer.needs_authorization for row in insured)
    return any(row.payer.needs_authorization for row in _reaching(facts, day))


def _reaching(facts: Facts, day: date) -> list[Authorization]:
    return [row for row in facts.authorizations if _between(row.starts_on, day, row.ends_on)]


def _between(first: date, day: date, last: date | None) -> bool:
    return first <= day and (last is None or day <= last)


def _has_units(facts: Facts, row: Authorization, offers: Sequence[Offer]) -> bool:
    approval = Approval(Unit(row.unit), row.units, row.starts_on, row.ends_on)
    lines = [*facts.lines, *(one.line for one in offers)]
    return runway(approval, lines, _terms(facts.needs)).uncovered_on is None


def _terms(needs: Iterable[Need]) -> StandardTerms:
    """The standard under which a day of the payer's counts; without a need, any day attended."""
    return next((need.terms for need in needs), StandardTerms(0, None, 0, 0))
