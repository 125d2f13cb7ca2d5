"""Hours in which a therapist, a room and the patient are free: what a make-up could be made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from attendance.compliance.make_up_facts import Facts
from attendance.compliance.make_up_refusals import pays
from attendance.compliance.rules.make_ups import Effect, Offer, effect, rank
from attendance.compliance.spans import dates
from attendance.records.facts import session_facts
from attendance.records.rules import full_presence_minutes, session_minutes
from iop_clinic.accounts.models import Clinic, Therapist
from iop_clinic.accounts.weeks import day_instants, local_date
from scheduling.models import Room, Session, SessionType
from scheduling.rules import Span
from scheduling.services.diary import Diary

LENGTH = timedelta(minutes=60)
MOST_HOURS = 5


@dataclass(frozen=True, slots=True)
class FreeHour:
    """An individual session that could be planned, and what it would repair."""

    therapist: Therapist
    room: Room
    session_type: SessionType
    offer: Offer
    effect: Effect

    @property
    def key(self) -> str:
        """What the next request finds it by again."""
        return f"{self.offer.starts_at:%Y-%m-%dT%H:%M}:{self.therapist.pk}"


def free_hours(facts: Facts, *, most: int | None = MOST_HOURS) -> list[FreeHour]:
    """The best hours of the week to come in which everybody is free; 8 statements.

    In the clinic's business hours, on the hour, with a qualified therapist (the patient's own
    before the others) and the smallest free room. None for a patient on hold or without a payer's
    unit.
    """
    kind = _session_type(facts)
    first = max(facts.first, local_date(facts.now, facts.settings.zone))
    if kind is None or first > facts.last:
        return []
    therapists, rooms = _therapists(facts), _rooms(facts)
    diary = _diary(facts, first, therapists, rooms)
    found = []
    for span in _slots(facts, first):
        hour = _hour(facts, span, kind, diary, therapists, rooms)
        if hour is not None and hour.effect.helps:
            found.append(hour)
    found.sort(key=lambda one: rank(one.offer, one.effect, facts.visited))
    return found[:most]


def _session_type(facts: Facts) -> SessionType | None:
    """The clinic's individual session that the most of the standards count."""
    rows = SessionType.objects.filter(
        clinic=facts.settings.clinic_id,
        kind=SessionType.Kind.INDIVIDUAL,
        creditable=True,
        active=True,
    )
    counted = [need.terms.counted_types for need in facts.needs]
    return max(
        rows.order_by("pk"),
        key=lambda row: sum(not types or row.pk in types for types in counted),
        default=None,
    )


def _therapists(facts: Facts) -> list[Therapist]:
    rows = Therapist.objects.filter(clinic=facts.settings.clinic_id, active=True)
    own = facts.episode.primary_therapist_id
    return sorted(rows, key=lambda one: (one.pk != own, one.name, one.pk))


def _rooms(facts: Facts) -> list[Room]:
    rows = Room.objects.filter(clinic=facts.settings.clinic_id, active=True)
    return sorted(rows, key=lambda one: (one.seats, one.pk))


def _diary(
    facts: Facts, first: date, therapists: Sequence[Therapist], rooms: Sequence[Room]
) -> Diary:
    zone = facts.settings.zone
    span = Span(day_instants(first, zone)[0], day_instants(facts.last, zone)[1])
    clinic = Clinic(pk=facts.settings.clinic_id, zone=zone.key, state=facts.settings.state)
    return Diary.of(
        clinic, span, therapists=[one.pk for one in therapists], rooms=[one.pk for one in rooms]
    )


def _slots(facts: Facts, first: date) -> Iterator[Span]:
    """Hours on the hour inside the business hours, in which the patient could come."""
    hours = facts.settings.hours
    busy = [span for _, span in facts.busy]
    for day in dates(first, facts.last):
        if day.weekday() not in hours.weekdays or not _may_come(facts, day):
            continue
        starts = datetime.combine(day, hours.opens_at, tzinfo=hours.zone).astimezone(UTC)
        closes = datetime.combine(day, hours.closes_at, tzinfo=hours.zone).astimezone(UTC)
        while starts + LENGTH <= closes:
            span = Span(starts, starts + LENGTH)
            if starts > facts.now and not any(span.overlaps(other) for other in busy):
                yield span
            starts += timedelta(hours=1)


def _may_come(facts: Facts, day: date) -> bool:
    active = facts.course.active_on(day) and not facts.course.deceased
    return active and not facts.course.on_hold_on(day)


def _hour(
    facts: Facts,
    span: Span,
    kind: SessionType,
    diary: Diary,
    therapists: Sequence[Therapist],
    rooms: Sequence[Room],
) -> FreeHour | None:
    if diary.closure(span) is not None:
        return None
    room = next((one for one in rooms if not diary.room_trouble(one, span, seats=1)), None)
    free = (one for one in therapists if _is_free(diary, one, span, kind))
    therapist = next(free, None)
    if room is None or therapist is None:
        return None
    offer = _offer(facts, span, kind)
    if not pays(facts, [offer]):
        return None
    return FreeHour(therapist, room, kind, offer, effect(facts.needs, [offer]))


def _is_free(diary: Diary, therapist: Therapist, span: Span, kind: SessionType) -> bool:
    """Free, and with a license of the type that is valid on the day."""
    licensed = diary.licenses[therapist.pk] and not diary.license_trouble(therapist, span, kind)
    return bool(licensed) and not diary.therapist_trouble(therapist, span)


def _offer(facts: Facts, span: Span, kind: SessionType) -> Offer:
    day = local_date(span.starts_at, facts.settings.zone)
    told = session_facts(Session(session_type=kind, starts_at=span.starts_at, ends_at=span.ends_at))
    return Offer(
        key=0,
        local_date=day,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        session_type_id=kind.pk,
        minutes=full_presence_minutes(told, facts.settings.policy_on(day)),
        length=session_minutes(told),
        called_in=facts.has_called_in(day),
    )
