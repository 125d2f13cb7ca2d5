"""What a placement depends on: the weekly blocks, the patient's week, free standing hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q

from attendance.compliance.closed_weeks import dates_of
from attendance.compliance.rules.placement import Option, Slot
from attendance.compliance.rules.weeks import DayMinutes, StandardTerms
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.template_weeks import (
    ASKS_NOTHING,
    attended_line,
    program_standard,
    weeks_after,
)
from iop_clinic.accounts.models import Therapist
from iop_clinic.accounts.weeks import DAYS_IN_WEEK, Week, day_instants
from patients.models import AgeBracket, Episode, TreatmentPlan
from patients.rules import OF_AGE, age_on
from scheduling.models import Booking, Group, Room, SessionType, WeeklyBlock
from scheduling.openings import SOON, Opening
from scheduling.rules import Span, span_on
from scheduling.services.diary import Diary

LENGTH = timedelta(hours=1)
AHEAD = timedelta(weeks=5)
"""So far sessions are planned at most; a standing hour is free on each of its dates until then."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for: from when, how much a week in minutes and days, and when not."""

    starts_on: date
    minutes: int
    days: int
    away: tuple[Slot, ...] = ()
    population_opt_in: bool = False
    hours: bool = True
    """Whether standing individual hours may be planned as well."""


@dataclass(frozen=True, slots=True)
class StandingHour:
    """An individual hour every week that could be planned from its `first` meeting on."""

    session_type: SessionType
    therapist: Therapist
    room: Room
    slot: Slot
    first: date
    option: Option

    def block_for(self, episode: Episode) -> WeeklyBlock:
        """The weekly block of it, not saved."""
        return _block(episode, self.slot, self.first, self.session_type, self.therapist, self.room)


@dataclass
class PlaceFacts:
    episode: Episode
    wish: Wish
    settings: ClinicSettings
    terms: StandardTerms
    weeks: tuple[Week, ...]
    """The weeks compared: full ones, in which every seat that is offered has begun."""
    blocks: defaultdict[int, list[WeeklyBlock]]
    """By group: those that still meet."""
    base: Option
    """What the patient has already: groups and standing sessions that go on."""
    hours: list[StandingHour] = field(default_factory=list)

    def option(self, group: Group, opening: Opening) -> Option:
        return option_of(
            f"g{group.pk}",
            self.settings,
            self.weeks,
            self.blocks[group.pk],
            first=opening.first or date.max,
            free_seats=opening.free_seats,
        )

    def group_key(self, option: Option) -> int:
        return int(option.key.removeprefix("g"))


def place_facts(
    *, episode: Episode, wish: Wish, groups: Sequence[Group], now: datetime
) -> PlaceFacts:
    """Read in at most 14 statements."""
    settings = clinic_settings(episode.clinic_id)
    terms, starts_on = _judged_by(settings, episode, wish.starts_on)
    weeks = tuple(weeks_after(starts_on, wish.starts_on + SOON))
    every = blocks_from(episode.clinic_id, wish.starts_on)
    of_group = by_group(every)
    own = _own(episode, every, of_group, weeks)
    base = option_of("", settings, weeks, own)
    facts = PlaceFacts(episode, wish, settings, terms, weeks, of_group, base)
    if wish.hours:
        facts.hours = list(_hours(facts, every, now))
    return facts


def _judged_by(settings: ClinicSettings, episode: Episode, day: date) -> tuple[StandardTerms, int]:
    plan = episode.plans.in_force(day).first()
    return judged_by(settings, episode, plan, day)


def judged_by(
    settings: ClinicSettings, episode: Episode, plan: TreatmentPlan | None, day: date
) -> tuple[StandardTerms, int]:
    """The program's standard for a plan, and the weekday on which its week begins."""
    if plan is None:
        return ASKS_NOTHING, settings.week_starts_on
    minor = age_on(episode.patient.birth_date, day) < OF_AGE
    bracket = AgeBracket.ADOLESCENT if minor else plan.age_bracket
    found = program_standard(settings, episode.program_id, plan.level, bracket, day)
    return (found.terms, found.week_starts_on) if found else (ASKS_NOTHING, settings.week_starts_on)


def blocks_from(clinic: int, on: date) -> list[WeeklyBlock]:
    """Every weekly block of a clinic that meets on a local date or later; 1 statement."""
    rows = WeeklyBlock.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gte=on), clinic=clinic
    )
    return list(rows.select_related("session_type").order_by("weekday", "starts_at", "pk"))


def by_group(blocks: Iterable[WeeklyBlock]) -> defaultdict[int, list[WeeklyBlock]]:
    found: defaultdict[int, list[WeeklyBlock]] = defaultdict(list)
    for one in blocks:
        if one.group_id is not None:
            found[one.group_id].append(one)
    return found


def _own(
    episode: Episode,
    every: Iterable[WeeklyBlock],
    of_group: Mapping[int, list[WeeklyBlock]],
    weeks: Sequence[Week],
) -> list[WeeklyBlock]:
    """The patient's standing sessions, and those of groups in which the seat goes on."""
    seats = episode.memberships.during(weeks[-1].end, None).filter(starts_on__lte=weeks[0].start)
    held = set(seats.values_list("group", flat=True))
    own = [one for one in every if one.episode_id == episode.pk]
    return [*own, *(one for group in sorted(held) for one in of_group.get(group, ()))]


def option_of(
    key: str,
    settings: ClinicSettings,
    weeks: Iterable[Week],
    blocks: Sequence[WeeklyBlock],
    *,
    first: date = date.min,
    free_seats: int = 0,
    rank: int = 0,
) -> Option:
    """What some blocks credit in each of some weeks, and when they meet."""
    slots = tuple(Slot(one.weekday, one.starts_at, one.ends_at) for one in blocks)
    lines = tuple(tuple(_lines(settings, blocks, week)) for week in weeks)
    return Option(key, slots, lines, first, free_seats, rank)


def _lines(
    settings: ClinicSettings, blocks: Iterable[WeeklyBlock], week: Week
) -> Iterator[DayMinutes]:
    for block in blocks:
        for day in dates_of(block, week):
            yield attended_line(settings, block, day)


# --- standing hours ------------------------------------------------------------------------------


@dataclass
class _Free:
    """Who and what is free for an hour every week."""

    therapists: list[Therapist]
    rooms: list[Room]
    diary: Diary
    led: dict[int, list[Slot]]
    in_room: dict[int, list[Slot]]
    busy: list[Span]

    def pair(
        self, slot: Slot, spans: Sequence[Span], kind: SessionType
    ) -> tuple[Therapist, Room] | None:
        if any(span.overlaps(other) for span in spans for other in self.busy):
            return None
        room = next((one for one in self.rooms if self._has(one, slot, spans)), None)
        leaders = (one for one in self.therapists if self._may(one, slot, spans, kind))
        therapist = next(leaders, None)
        return (therapist, room) if therapist and room else None

    def _has(self, room: Room, slot: Slot, spans: Sequence[Span]) -> bool:
        if any(map(slot.overlaps, self.in_room[room.pk])):
            return False
        return not any(self.diary.room_trouble(room, span, seats=1) for span in spans)

    def _may(
        self, therapist: Therapist, slot: Slot, spans: Sequence[Span], kind: SessionType
    ) -> bool:
        """Licensed for the type, and free on each of the dates."""
        if any(map(slot.overlaps, self.led[therapist.pk])) or not self.diary.licenses[therapist.pk]:
            return False
        return not any(
            self.diary.license_trouble(therapist, span, kind)
            or self.diary.therapist_trouble(therapist, span)
            for span in spans
        )


def _hours(
    facts: PlaceFacts, every: Sequence[WeeklyBlock], now: datetime
) -> Iterator[StandingHour]:
    """On the hour in the clinic's hours, when everybody is free; 9 statements."""
    kind = _session_type(facts)
    free = _free(facts, every, now)
    if kind is None:
        return
    taken = (*facts.wish.away, *facts.base.slots)
    for slot in _slots(facts):
        if any(map(slot.overlaps, taken)):
            continue
        pair = free.pair(slot, list(_spans(facts, slot)), kind)
        if pair is not None:
            yield _hour(facts, slot, kind, *pair)


def _hour(
    facts: PlaceFacts, slot: Slot, kind: SessionType, therapist: Therapist, room: Room
) -> StandingHour:
    start = facts.wish.starts_on
    first = start + timedelta(days=(slot.weekday - start.weekday()) % DAYS_IN_WEEK)
    block = _block(facts.episode, slot, first, kind, therapist, room)
    key = f"h{slot.weekday}{slot.starts:%H%M}t{therapist.pk}"
    rank = 0 if therapist.pk == facts.episode.primary_therapist_id else 1
    option = option_of(key, facts.settings, facts.weeks, [block], rank=rank)
    return StandingHour(kind, therapist, room, slot, first, option)


def _block(
    episode: Episode,
    slot: Slot,
    first: date,
    kind: SessionType,
    therapist: Therapist,
    room: Room,
) -> WeeklyBlock:
    return WeeklyBlock(
        clinic_id=episode.clinic_id,
        episode=episode,
        session_type=kind,
        weekday=slot.weekday,
        starts_at=slot.starts,
        ends_at=slot.ends,
        facilitator=therapist,
        room=room,
        valid_from=first,
    )


def _session_type(facts: PlaceFacts) -> SessionType | None:
    rows = SessionType.objects.filter(
        clinic=facts.settings.clinic_id,
        kind=SessionType.Kind.INDIVIDUAL,
        creditable=True,
        active=True,
    )
    types = facts.terms.counted_types
    return next((row for row in rows.order_by("pk") if not types or row.pk in types), None)


def _free(facts: PlaceFacts, every: Iterable[WeeklyBlock], now: datetime) -> _Free:
    """The patient's own therapist before the others, the smallest room before the larger."""
    clinic, first = facts.settings.clinic_id, facts.wish.starts_on
    own = facts.episode.primary_therapist_id
    therapists = sorted(
        Therapist.objects.filter(clinic=clinic, active=True),
        key=lambda one: (one.pk != own, one.name, one.pk),
    )
    rooms = sorted(
        Room.objects.filter(clinic=clinic, active=True), key=lambda one: (one.seats, one.pk)
    )
    zone = facts.settings.zone
    span = Span(day_instants(first, zone)[0], day_instants(first + AHEAD, zone)[1])
    diary = Diary.of(
        facts.episode.clinic,
        span,
        therapists=[one.pk for one in therapists],
        rooms=[one.pk for one in rooms],
    )
    led: defaultdict[int, list[Slot]] = defaultdict(list)
    in_room: defaultdict[int, list[Slot]] = defaultdict(list)
    for one in every:
        slot = Slot(one.weekday, one.starts_at, one.ends_at)
        for leader in (one.facilitator_id, one.co_facilitator_id):
            if leader is not None:
                led[leader].append(slot)
        if one.room_id is not None:
            in_room[one.room_id].append(slot)
    return _Free(therapists, rooms, diary, led, in_room, list(_busy(facts, now)))


def _busy(facts: PlaceFacts, now: datetime) -> Iterator[Span]:
    rows = Booking.objects.seated().filter(
        clinic=facts.settings.clinic_id, patient=facts.episode.patient_id, ends_at__gt=now
    )
    for starts_at, ends_at in rows.order_by("starts_at").values_list("starts_at", "ends_at"):
        yield Span(starts_at, ends_at)


def _slots(facts: PlaceFacts) -> Iterator[Slot]:
    hours = facts.settings.hours
    for weekday in sorted(hours.weekdays):
        starts = datetime.combine(date.min, hours.opens_at, tzinfo=UTC)
        closes = datetime.combine(date.min, hours.closes_at, tzinfo=UTC)
        while starts + LENGTH <= closes:
            yield Slot(weekday, _wall(starts), _wall(starts + LENGTH))
            starts += LENGTH


def _wall(moment: datetime) -> time:
    return moment.time()


def _spans(facts: PlaceFacts, slot: Slot) -> Iterator[Span]:
    """The hour on each of its dates as far as sessions are planned."""
    first = facts.wish.starts_on
    day = first + timedelta(days=(slot.weekday - first.weekday()) % DAYS_IN_WEEK)
    while day <= first + AHEAD:
        yield span_on(day, slot.starts, slot.ends, facts.settings.zone)
        day += timedelta(days=DAYS_IN_WEEK)
