"""Make-ups: sessions that would repair a short week, best first, each with what it repairs (R19).

If none would, it says what could: an hour of a therapist who is free, or a full session in which a
seat would have to become free. In a constant number of statements, however many sessions there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

from django.utils import timezone

from attendance.compliance.free_hours import FreeHour, free_hours
from attendance.compliance.make_up_facts import (
    MID_WEEK,
    Asked,
    Facts,
    facts_of,
    free_seats,
    offer_of,
    sessions_between,
)
from attendance.compliance.make_up_refusals import pays, troubles
from attendance.compliance.rules.make_ups import (
    Effect,
    Need,
    Offer,
    Repair,
    combination,
    effect,
    rank,
    standing,
)
from attendance.compliance.week_notes import OF_A_WEEK
from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.weeks import Week, local_date
from patients.models import Episode
from scheduling.models import Booking, Session
from scheduling.querysets import BookingQuerySet

MOST_FULL = 5
"""Full sessions that are named: somebody has to be asked for each seat."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A session the patient may attend, and what that would repair."""

    session: Session
    offer: Offer
    effect: Effect
    free_seats: int
    makes_up: Booking | None
    """The missed booking it would stand for; none for what the patient gave up and takes back."""

    @property
    def again(self) -> bool:
        return self.offer.again


@dataclass(frozen=True, slots=True)
class MakeUps:
    """What would repair a patient's clinic week. `plan` is the combination that repairs most."""

    week: Week
    needs: tuple[Need, ...]
    over: bool
    """The week's last day has passed: nothing can be made up in it."""
    candidates: tuple[Candidate, ...] = ()
    plan: tuple[Candidate, ...] = ()
    plan_effect: Effect | None = None
    full: tuple[Candidate, ...] = ()
    hours: tuple[FreeHour, ...] = ()

    @property
    def is_short(self) -> bool:
        return bool(self.needs)

    @property
    def standing(self) -> tuple[Repair, ...]:
        """What is missing under each need as things stand."""
        return standing(self.needs)

    @property
    def repairable(self) -> bool:
        return self.plan_effect is not None and self.plan_effect.repaired


def find_make_ups(
    *, episode: Episode, day: date, now: datetime | None = None, flag: Flag | None = None
) -> MakeUps:
    """What would repair the clinic week of a local date; at most 25 statements for any number.

    With a `flag`, the week and the standard its case is about, and `day` only where it names none.
    """
    facts = facts_for(episode=episode, day=day, now=now or timezone.now(), flag=flag)
    over = facts.week.end < local_date(facts.now, facts.settings.zone)
    if not facts.needs:
        return MakeUps(facts.week, (), over)
    (sessions,) = sessions_between([facts])
    refused = troubles(facts, sessions)
    open_ = [one for one in sessions if one.pk not in refused]
    full = [one for one in sessions if one.pk in refused and refused[one.pk].code == "session_full"]
    candidates = candidates_in(facts, open_)
    plan = combined(facts, candidates)
    together = effect(facts.needs, [one.offer for one in plan]) if plan else None
    found = MakeUps(facts.week, facts.needs, over, tuple(candidates), tuple(plan), together)
    if found.repairable:
        return found
    shown = tuple(candidates_in(facts, full)[:MOST_FULL])
    return replace(found, full=shown, hours=tuple(free_hours(facts)))


def facts_for(*, episode: Episode, day: date, now: datetime, flag: Flag | None = None) -> Facts:
    """The facts of the week a case is about, or of the clinic week that holds `day`."""
    asked = Asked(episode, day)
    if flag is not None and flag.rule in OF_A_WEEK:
        asked = _asked_by(flag, episode)
    (facts,) = facts_of([asked], now=now)
    return facts


def _asked_by(flag: Flag, episode: Episode) -> Asked:
    """The week and the standard that a case of a week is about."""
    start, _, source = flag.evidence_key.partition(":")
    return Asked(
        episode,
        date.fromisoformat(start) + MID_WEEK,
        source=source,
        plan=flag.rule == AbsenceRule.Kind.BELOW_PLAN,
    )


def booked_make_ups(flag: Flag) -> BookingQuerySet:
    """The make-ups booked in the week of a case: what stands there for a missed booking."""
    if flag.episode_id is None or flag.rule not in OF_A_WEEK:
        return Booking.objects.none()
    start = date.fromisoformat(flag.evidence_key[:10])
    rows = Booking.objects.expected().filter(
        clinic=flag.clinic_id,
        episode=flag.episode_id,
        makes_up__isnull=False,
        session__local_date__range=(start, start + timedelta(days=6)),
    )
    return rows.select_related("session__group", "session__session_type", "makes_up__session")


# --- candidates -----------------------------------------------------------------------------------


def candidates_in(facts: Facts, sessions: Iterable[Session]) -> list[Candidate]:
    """Those of the sessions that bring the week nearer, best first."""
    found = (_candidate(facts, session) for session in sessions)
    helpful = (one for one in found if one.effect.helps)
    return sorted(helpful, key=lambda one: rank(one.offer, one.effect, facts.visited))


def _candidate(facts: Facts, session: Session) -> Candidate:
    offer = offer_of(facts, session)
    return Candidate(
        session=session,
        offer=offer,
        effect=effect(facts.needs, [offer]),
        free_seats=free_seats(session),
        makes_up=None if offer.again else missed_booking(facts, session),
    )


def combined(facts: Facts, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The combination as candidates, all of it paid, each for another missed booking."""
    offers = [one.offer for one in candidates]
    by_key = {one.offer.key: one for one in candidates}
    used: set[int] = set()
    plan = []
    for offer in combination(facts.needs, offers, facts.visited, allowed=partial(pays, facts)):
        one = by_key[offer.key]
        missed = None if one.again else missed_booking(facts, one.session, without=used)
        used |= {missed.pk} if missed else set()
        plan.append(Candidate(one.session, one.offer, one.effect, one.free_seats, makes_up=missed))
    return plan


def missed_booking(
    facts: Facts, session: Session, *, without: Collection[int] = (), chosen: Booking | None = None
) -> Booking | None:
    """The missed booking of the week that a session would make up: of the same type if there is
    one, absent before given up before cut short, the oldest first; none twice. With `chosen`, that
    one or none."""
    made_up = {row.makes_up_id for row in facts.bookings if _stands(row)}
    missed = [
        (row.session.session_type_id != session.session_type_id, grade, row.starts_at, row.pk, row)
        for row in facts.bookings
        if row.pk not in made_up and row.pk not in without and row.session_id != session.pk
        and row.episode_id == facts.episode.pk and (grade := _missed(facts, row)) is not None
        and chosen in (None, row)
    ]  # fmt: skip
    return min(missed, key=lambda one: one[:4])[4] if missed else None


def _stands(row: Booking) -> bool:
    """Whether a booking counts: a make-up that was withdrawn makes nothing up."""
    return row.live and row.state != Booking.State.WITHDRAWN


def _missed(facts: Facts, row: Booking) -> int | None:
    """0 absent, 1 given up, 2 credited less than full presence; None: not missed."""
    if not _stands(row):
        return None
    record = getattr(row, "attendance", None)
    if record is not None and not record.attended:
        return 0
    if record is None:
        return 1 if row.state == Booking.State.RELEASED else None
    return 2 if record.credited_minutes < offer_of(facts, row.session).minutes else None
