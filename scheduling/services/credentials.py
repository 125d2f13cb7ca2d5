"""Who may lead sessions of a type: which credentials it asks for, and what that would leave without
a leader."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from copy import copy
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from iop_clinic.accounts.acting import Job, Refused, service
from iop_clinic.accounts.editing import check
from iop_clinic.accounts.models import Clinic, License, User
from scheduling.cover import Cover
from scheduling.leading import not_qualified
from scheduling.models import Session, SessionType, WeeklyBlock
from scheduling.rules import Span


@dataclass(frozen=True, slots=True)
class Leaderless:
    """What has a leader now and would have none, and why: in order of time."""

    blocks: Sequence[tuple[WeeklyBlock, str]]
    sessions: Sequence[tuple[Session, str]]


def held_credentials(clinic: Clinic) -> list[str]:
    """The codes of the licenses of whoever works there, valid or not; one statement."""
    rows = License.objects.filter(clinic=clinic, therapist__active=True).order_by()
    return sorted({code.strip().upper() for code in rows.values_list("credential", flat=True)})


@service
def set_credentials(
    *,
    session_type: SessionType,
    credentials: Sequence[str],
    by: User | Job,
    unheld: bool = False,
) -> SessionType:
    """Say of which credentials whoever leads a session of the type holds one; none: of any.

    Sessions to come that nobody qualified leads then need cover (see `leaderless`). Raises Refused
    `credentials` for what is no code, and `nobody_holds` for one that no license of the clinic's
    therapists carries, unless `unheld`.
    """
    row = SessionType.objects.select_for_update(no_key=True).get(pk=session_type.pk)
    _check_held(row, credentials, unheld=unheld)
    row.credentials = list(credentials)
    check(row)
    row.save(update_fields=["credentials"])
    return row


def leaderless(
    *, session_type: SessionType, credentials: Sequence[str], user: User, unheld: bool = False
) -> Leaderless:
    """What `set_credentials` would leave without a qualified leader; raises what it raises.

    The statements do not grow with blocks or sessions.
    """
    _check_held(session_type, credentials, unheld=unheld)
    then = copy(session_type)
    then.credentials = list(credentials)
    return Leaderless(_blocks(session_type, then, user), _sessions(session_type, then, user))


def _check_held(row: SessionType, credentials: Iterable[str], *, unheld: bool) -> None:
    """What is misspelled is held by nobody. What is asked for already is not questioned again."""
    known: Collection[str] = {*held_credentials(row.clinic), *row.credentials}
    new = [code for code in credentials if code not in known]
    if new and not unheld:
        raise Refused(
            "nobody_holds",
            f"Nobody here holds {' or '.join(new)}. Look at the spelling; if it is right, say that "
            "nobody holds it yet.",
            field="others",
        )


def _blocks(now: SessionType, then: SessionType, user: User) -> list[tuple[WeeklyBlock, str]]:
    """Weekly blocks in force or to come whose facilitator would not be qualified any more."""
    clinic = now.clinic
    today = timezone.localdate(timezone=clinic.tz)
    rows = WeeklyBlock.objects.visible_to(user).filter(
        Q(valid_until__isnull=True) | Q(valid_until__gte=today), clinic=clinic, session_type=now
    )
    named = rows.select_related("group", "session_type", "facilitator")
    lost = []
    for one in named.prefetch_related("facilitator__licenses").order_by("weekday", "starts_at"):
        own, day = list(one.facilitator.licenses.all()), max(today, one.valid_from)
        before, after = (
            not_qualified(one.facilitator, own, kind, clinic.state, day) for kind in (now, then)
        )
        if after and not before:
            lost.append((one, after))
    return lost


def _sessions(now: SessionType, then: SessionType, user: User) -> list[tuple[Session, str]]:
    """Sessions to come that somebody qualified leads now, and nobody would."""
    at = timezone.now()
    rows = Session.objects.visible_to(user).live().not_over(at)
    named = rows.filter(clinic=now.clinic_id, session_type=now).select_related("group", "room")
    sessions = list(named.order_by("starts_at", "pk"))
    if not sessions:
        return []
    span = Span(sessions[0].starts_at, max(one.ends_at for one in sessions))
    cover, lost = Cover.of(now.clinic, span, sessions), []
    for one in sessions:
        one.session_type = now
        before = cover.missing(one, at)
        one.session_type = then
        after = cover.missing(one, at)
        if after and not before:
            lost.append((one, after))
    return lost
