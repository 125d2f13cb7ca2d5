"""A clinic's days and weeks worked out once more, minute by minute, from the raw rows.

The second opinion: sets of minutes and plain loops, no clever arithmetic, and nothing of the
product imported, so that it can disagree with it. Written from the rules of the field as staff say
them; slow, and meant to be read.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from tests.proof.raw import DAY, Row, birthdays, by, inside, instant, meets_on, minute, read, told

PROGRAM, PAYER, COURT = 1, 2, 3
ADULT, ADOLESCENT = 1, 2
TABLES = {
    "sessions": "scheduling_session",
    "types": "scheduling_sessiontype",
    "bookings": "scheduling_booking",
    "blocks": "scheduling_weeklyblock",
    "seats": "scheduling_groupmembership",
    "records": "attendance_attendancerecord",
    "credit_rules": "attendance_creditrule",
    "standards": "attendance_standard",
    "episodes": "patients_episode",
    "patients": "patients_patient",
    "plans": "patients_treatmentplan",
    "holds": "patients_episodehold",
    "coverages": "patients_coverage",
    "authorizations": "patients_authorization",
    "courts": "patients_courtreferral",
}


class Recomputed:
    """One clinic: every booking with its minutes, every day and every week of them."""

    def __init__(self, clinic_id: int) -> None:
        [self.clinic] = read("SELECT * FROM accounts_clinic WHERE id = %s", clinic_id)
        rows = {
            name: read(f"SELECT * FROM {table} WHERE clinic_id = %s", clinic_id)
            for name, table in TABLES.items()
        }
        self.episodes, self.standards = rows["episodes"], rows["standards"]
        self.credit_rules = rows["credit_rules"]
        self.session = {row.id: row for row in rows["sessions"]}
        self.type = {row.id: row for row in rows["types"]}
        self.record = {row.booking_id: row for row in rows["records"]}
        self.patient = {row.id: row for row in rows["patients"]}
        self.of = {
            name: by(rows[name], "episode_id")
            for name in ("plans", "holds", "seats", "authorizations", "courts")
        }
        self.covered = by(rows["coverages"], "patient_id")
        self.group_blocks = by(rows["blocks"], "group_id")
        self.own_blocks = by(rows["blocks"], "episode_id")
        expected = [row for row in rows["bookings"] if row.state != "withdrawn"]
        self.visits = visits_inside(by(expected, "episode_id"))
        self.booked = [self._minutes(row) for row in expected]

    # --- one booking -----------------------------------------------------------------------------

    def _minutes(self, booking: Row) -> Row:
        """What a booking is worth: planned, attended and credited."""
        session = self.session[booking.session_id]
        creditable = self.type[session.session_type_id].creditable
        record = self.record.get(booking.id)
        visits = [v for v in self.visits[booking.id] if v.live == booking.live]
        work = self._span(booking) - self._breaks(session)
        planned = work - {m for v in visits for m in self._span(v)}
        there = self._present(booking, record) & work
        there -= {m for v in visits for m in self._present(v, self.record.get(v.id))}
        left = work - {m for v in visits for m in self._present(v, self.record.get(v.id))}
        return Row(
            episode=booking.episode_id,
            day=session.local_date,
            type=session.session_type_id,
            ends=minute(booking.ends_at),
            live=booking.live,
            state=booking.state,
            creditable=creditable,
            recorded=record is not None,
            planned=len(planned),
            attended=len(there),
            credited=self._credit(session, len(there), len(left)),
            session=session,
            work=work,
            visits=visits,
        )

    def _span(self, booking: Row) -> set[int]:
        return set(range(minute(booking.starts_at), minute(booking.ends_at)))

    def _breaks(self, session: Row) -> set[int]:
        start = minute(session.starts_at)
        return {start + m for a, b in told(session.breaks) for m in range(a, b)}

    def _present(self, booking: Row, record: Row | None) -> set[int]:
        """The minutes in which the patient was in the session, breaks included."""
        if record is None or not record.attended:
            return set()
        arrived = minute(record.arrived_at or booking.starts_at)
        left = minute(record.left_at or booking.ends_at)
        gone = {m for a, b in told(record.away) for m in range(instant(a), instant(b))}
        return {m for m in self._span(booking) if arrived <= m < left and m not in gone}

    def _full(self, one: Row, now: int) -> tuple[int, int]:
        """Minutes, and credit, of somebody who is there throughout but for the visits inside."""
        there = one.work - {m for visit in one.visits for m in self._presumed(visit, now)}
        return len(there), self._credit(one.session, len(there), len(there))

    def _presumed(self, visit: Row, now: int) -> set[int]:
        """What a visit takes out of a session in full presence, as far as anybody knows.

        Its own presence once recorded; all of it before; nothing where the patient gave notice.
        """
        record = self.record.get(visit.id)
        if record is not None:
            return self._present(visit, record)
        given_up = visit.state == "released" and minute(visit.ends_at) > now
        return set() if given_up else self._span(visit)

    def _credit(self, session: Row, attended: int, length: int) -> int:
        if not self.type[session.session_type_id].creditable:
            return 0
        rules = [r for r in self.credit_rules if inside(session.local_date, r)]
        rule = rules[0] if rules else Row(kind="exact")
        if rule.kind == "round_down":
            return attended // rule.round_to * rule.round_to
        if rule.kind == "all_or_nothing" and attended * 100 < rule.min_percent * length:
            return 0
        return attended

    # --- one day ---------------------------------------------------------------------------------

    def days(self, now: datetime.datetime) -> dict[tuple[int, datetime.date, int], Row]:
        """Every (episode, local date, session type) that has a booking, as it stands at `now`."""
        found: dict[tuple[int, datetime.date, int], Row] = {}
        for one in self.booked:
            key = one.episode, one.day, one.type
            found[key] = added(found.get(key), self.standing(one, minute(now)))
        return found

    def standing(self, one: Row, now: int) -> Row:
        """A booking's part of a day's sums. No credit before the end; no guess after a record."""
        over = one.live and one.ends <= now
        unrecorded = over and not one.recorded
        ahead = one.live and not over and one.state == "booked"
        is_open = unrecorded or ahead
        credited = one.credited if over and one.recorded else 0
        full, full_credit = self._full(one, now) if is_open else (0, 0)
        return Row(
            scheduled=one.planned if one.live and one.creditable else 0,
            attended=one.attended if over and one.recorded else 0,
            credited=credited,
            attended_open=full,
            credited_open=full_credit,
            cancelled=one.planned if not one.live and one.creditable else 0,
            unrecorded=int(unrecorded),
            upcoming=int(ahead),
            services=int(credited > 0),
            services_open=int(is_open and one.creditable),
        )

    # --- one week --------------------------------------------------------------------------------

    def weeks(
        self, first: datetime.date, count: int, now: datetime.datetime
    ) -> dict[tuple[int, int, datetime.date], Row]:
        """Every (episode, standard, first date of the segment) of the weeks around clinic weeks.

        Of a standard whose weeks start on another weekday: the one with most days in common.
        """
        days = self._by_episode(self.days(now))
        today = now.astimezone(ZoneInfo(self.clinic.zone)).date()
        found = {}
        starts = {standard.week_starts_on for standard in self.standards}
        for n in range(count):
            middle = first + 7 * n * DAY + 3 * DAY
            for weekday in starts:
                start = middle - (middle.weekday() - weekday) % 7 * DAY
                for episode in self.episodes:
                    for standard, part in self._judges(episode, start, weekday):
                        own = days[episode.id]
                        row = self._judge(episode, standard, start, part, own, today)
                        found[episode.id, standard.id, part[0]] = row
        return found

    def _by_episode(self, days: dict[tuple[int, datetime.date, int], Row]) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = defaultdict(list)
        for (episode, day, kind), sums in days.items():
            found[episode].append(Row(day=day, type=kind, **vars(sums)))
        return found

    def _judges(
        self, episode: Row, start: datetime.date, weekday: int
    ) -> Iterator[tuple[Row, list[datetime.date]]]:
        for level, part in self.parts(episode, start):
            for standard in self._standards(episode, start, level, part):
                if standard.week_starts_on == weekday:
                    yield standard, part

    def parts(self, episode: Row, start: datetime.date) -> list[tuple[int, list[datetime.date]]]:
        """The dates in treatment, cut where the level of care changes or a date has no plan."""
        found: list[tuple[int, list[datetime.date]]] = []
        before = None
        for n in range(7):
            day = start + n * DAY
            level = self._level(episode, day)
            if level is not None and level == before:
                found[-1][1].append(day)
            elif level is not None:
                found.append((level, [day]))
            before = level
        return found

    def _level(self, episode: Row, day: datetime.date) -> int | None:
        died = self.patient[episode.patient_id].deceased_on
        if not inside(day, episode, "admitted_on", "discharged_on") or (died and day > died):
            return None
        return next(
            (plan.level for plan in self.of["plans"][episode.id] if inside(day, plan)), None
        )

    def _standards(
        self, episode: Row, start: datetime.date, level: int, part: list[datetime.date]
    ) -> list[Row]:
        """The program's own standard, one for each payer, and the court's: the closest fit each."""
        adult = (
            birthdays(self.patient[episode.patient_id].birth_date, start) >= self.clinic.adult_at
        )
        bracket = ADULT if adult else ADOLESCENT
        fitting = [
            s
            for s in self.standards
            if (s.level, s.age_bracket) == (level, bracket)
            and inside(part[-1], s)
            and s.program_id in (None, episode.program_id)
        ]
        chosen = {}
        for source, payer in self._subjects(episode, level, part):
            own = [s for s in fitting if s.source == source and s.payer_id in (None, payer)]
            own.sort(key=lambda s: (s.payer_id is None, s.program_id is None))
            chosen.update({s.id: s for s in own[:1]})
        return list(chosen.values())

    def _subjects(
        self, episode: Row, level: int, part: list[datetime.date]
    ) -> Iterator[tuple[int, int | None]]:
        yield PROGRAM, None
        if any(inside(day, court) for court in self.of["courts"][episode.id] for day in part):
            yield COURT, None
        paid = [a for a in self.of["authorizations"][episode.id] if a.level == level]
        for row in [*paid, *self.covered[episode.patient_id]]:
            if any(inside(day, row) for day in part):
                yield PAYER, row.payer_id

    def _judge(
        self,
        episode: Row,
        standard: Row,
        start: datetime.date,
        part: list[datetime.date],
        lines: list[Row],
        today: datetime.date,
    ) -> Row:
        types = told(standard.counted_types)
        counted = [s for s in lines if s.day in part and (not types or s.type in types)]
        days = {day: self._day(standard, [s for s in counted if s.day == day]) for day in part}
        minimum, wanted = self._reduced(episode, standard, start, part, counted)
        least = sum(day.least for day in days.values())
        most = sum(day.most for day in days.values())
        good = sum(day.qualifies for day in days.values())
        possible = sum(day.can_qualify for day in days.values())
        ahead = sum(line.upcoming for line in counted) > 0 or start > today
        begun = start <= today
        return Row(
            last=part[-1],
            ended=start + 6 * DAY < today,
            at_least=least,
            at_most=most,
            minimum=minimum,
            days_wanted=wanted,
            days=good,
            days_at_most=possible,
            minutes_status=status(least, most, minimum, ahead) if begun else "open",
            days_status=status(good, possible, wanted, ahead) if begun else "open",
            over=standard.max_minutes is not None and least > standard.max_minutes,
            qualifying=sorted(day for day, one in days.items() if one.qualifies),
        )

    def _day(self, standard: Row, lines: list[Row]) -> Row:
        """One local date under a standard: equality with the threshold qualifies."""
        least = sum(getattr(line, standard.basis) for line in lines)
        more = sum(getattr(line, f"{standard.basis}_open", 0) for line in lines)
        services = sum(line.services for line in lines)
        possible = services + sum(line.services_open for line in lines)
        threshold, wanted = max(standard.day_threshold, 1), standard.services_per_day
        return Row(
            least=least,
            most=least + more,
            qualifies=least >= threshold and services >= wanted,
            can_qualify=least + more >= threshold and possible >= wanted,
        )

    # --- proration -------------------------------------------------------------------------------

    def _reduced(
        self,
        episode: Row,
        standard: Row,
        start: datetime.date,
        part: list[datetime.date],
        lines: list[Row],
    ) -> tuple[int, int]:
        """Minutes and days asked for: own template days, then the clinic's own cancellations."""
        if not standard.prorate:
            return standard.min_minutes, standard.min_days
        held = {d for d in part if any(inside(d, hold) for hold in self.of["holds"][episode.id])}
        own, full = self._template(episode, start, part, held)
        minimum = standard.min_minutes * own // full
        wanted = standard.min_days * own // full
        for day in set(part) - held:
            here = [line for line in lines if line.day == day]
            left = sum(line.scheduled for line in here)
            gone = sum(line.cancelled for line in here)
            minimum -= gone
            wanted -= left < max(standard.day_threshold, 1) <= left + gone
        return max(minimum, 0), max(wanted, 0)

    def _template(
        self,
        episode: Row,
        start: datetime.date,
        part: list[datetime.date],
        held: set[datetime.date],
    ) -> tuple[int, int]:
        """Template days inside, of those of a full week; 1 of 1 where nothing is taken off."""
        if len(part) == 7 and not held:
            return 1, 1
        if len(held) == len(part):
            return 0, 1
        seats = [s for s in self.of["seats"][episode.id] if any(inside(day, s) for day in part)]
        of_groups = [b for seat in seats for b in self._counted(self.group_blocks[seat.group_id])]
        blocks = of_groups or self._counted(self.own_blocks[episode.id])
        week = {start + n * DAY for n in range(7)}
        meets = {day for day in week if any(meets_on(block, day) for block in blocks)}
        if not meets and self._seated_later(episode, part, max(week)):
            return 0, 1
        return (len(meets & set(part) - held), len(meets)) if meets else (1, 1)

    def _seated_later(self, episode: Row, part: list[datetime.date], sunday: datetime.date) -> bool:
        """Admitted in this week, and given a first seat from a week after it on."""
        starts = [seat.starts_on for seat in self.of["seats"][episode.id]]
        return part[0] == episode.admitted_on and bool(starts) and min(starts) > sunday

    def _counted(self, blocks: list[Row]) -> list[Row]:
        return [block for block in blocks if self.type[block.session_type_id].creditable]


def added(one: Row | None, other: Row) -> Row:
    if one is None:
        return other
    return Row(**{name: value + getattr(one, name) for name, value in vars(other).items()})


def visits_inside(bookings: dict[int, list[Row]]) -> defaultdict[int, list[Row]]:
    """By booking, the shorter ones of its episode at the same time: their minutes leave it."""
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for own in bookings.values():
        own.sort(key=lambda row: (row.starts_at - row.ends_at, row.nested_in_id or 0, row.id))
        for place, outer in enumerate(own):
            for inner in own[place + 1 :]:
                if inner.starts_at < outer.ends_at and outer.starts_at < inner.ends_at:
                    found[outer.id].append(inner)
    return found


def status(least: int, most: int, wanted: int, ahead: bool) -> str:
    """Met once reached; short once out of reach with nothing booked ahead; open between."""
    if least >= wanted:
        return "met"
    return "open" if ahead or most >= wanted else "short"
