"""A therapist's sessions as iCalendar (RFC 5545), for a phone that subscribes to them.

Every session is an event of its own, at UTC instants: no phone has to know a zone's rules, or those
of this year, to show it at the clinic's wall time, on the clinic's weekday, before and after clocks
change. What it says is neutral: a group's code name or the session's type, and where.
"""

from __future__ import annotations

import datetime
import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import icalendar
from django.db.models import Max, Q
from icalendar.prop import vDuration, vText

from iop_clinic.accounts.models import AuditEvent, Clinic, Therapist
from iop_clinic.accounts.weeks import day_instants, local_date
from scheduling.models import Group, Room, Session, SessionStaff, SessionType

LOOK_BACK = datetime.timedelta(days=30)
LOOK_AHEAD = datetime.timedelta(days=120)
REFRESH = datetime.timedelta(hours=1)
PRODUCT = "-//IOP Clinic//Calendar feed//EN"

Place = tuple[str, int]
"""A table's name and the key of one of its rows."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One session as its therapist's calendar shows it.

    `revision` grows with every change of the session, its place and its staff; `changed_at` is when
    something that is shown changed last.
    """

    uid: uuid.UUID
    title: str
    location: str
    starts_at: datetime.datetime
    ends_at: datetime.datetime
    takes_place: bool
    revision: int
    changed_at: datetime.datetime


# --- which sessions ------------------------------------------------------------------------------


def entries_of(therapist: Therapist, clinic: Clinic, now: datetime.datetime) -> list[Entry]:
    """The sessions the therapist leads or has led, 30 local days back to 120 ahead.

    A session that was cancelled, or given to somebody else, is there and does not take place: one
    that merely vanished would stay on phones that only add. That is more than `visible_to` shows,
    and so an entry has nothing in it that the therapist has not been told: of what was given away
    the time that it had then, and no place. Two statements, and one where something was given away.
    """
    parts = _parts(therapist, clinic, now)
    changed = _changed_at(parts)
    then = _times_then(parts, changed)
    return [_entry(part, changed, then.get(part.session_id, {})) for part in parts]


def _parts(therapist: Therapist, clinic: Clinic, now: datetime.datetime) -> list[SessionStaff]:
    today = local_date(now, clinic.tz)
    since, _ = day_instants(today - LOOK_BACK, clinic.tz)
    _, until = day_instants(today + LOOK_AHEAD, clinic.tz)
    rows = SessionStaff.objects.filter(
        clinic=clinic, therapist=therapist, starts_at__gte=since, starts_at__lt=until
    ).select_related("session__group", "session__session_type", "session__room")
    return list(rows.order_by("starts_at", "session"))


def _entry(
    part: SessionStaff,
    changed: Mapping[Place, datetime.datetime],
    then: Mapping[str, datetime.datetime],
) -> Entry:
    session = part.session
    return Entry(
        uid=session.public_id,
        title=session.title,
        location=_location(session) if part.active else "",
        starts_at=then.get("starts_at", session.starts_at),
        ends_at=then.get("ends_at", session.ends_at),
        takes_place=session.live and part.active,
        revision=session.version - 1,
        # A trail without them (a restored dump, say) leaves the oldest date there can be.
        changed_at=max((changed[one] for one in _shown(part) if one in changed), default=OLDEST),
    )


def _location(session: Session) -> str:
    return session.place[:1].upper() + session.place[1:]


# --- when it changed -----------------------------------------------------------------------------

OLDEST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
TIMES = {"starts_at", "ends_at"}
SHOWN_COLUMNS = {
    Session._meta.db_table: ["starts_at", "ends_at", "state", "room_id", "by_video", "off_site"],
    SessionStaff._meta.db_table: ["active"],
    Room._meta.db_table: ["name"],
    Group._meta.db_table: ["name"],
    SessionType._meta.db_table: ["name"],
}


def _shown(part: SessionStaff) -> list[Place]:
    """The rows behind an entry; its session's only as long as what is written there is shown."""
    session = part.session
    rows = [part, session.group, session.session_type]
    if part.active:
        rows += [session, session.room]
    return [(row._meta.db_table, row.pk) for row in rows if row is not None]


def _changed_at(parts: Sequence[SessionStaff]) -> dict[Place, datetime.datetime]:
    """By row: when a column that is shown was written last, from the audit trail; one statement."""
    if not parts:
        return {}
    places = {place for part in parts for place in _shown(part)}
    wanted = Q()
    for table, columns in SHOWN_COLUMNS.items():
        keys = [key for name, key in places if name == table]
        wanted |= Q(table_name=table, row_id__in=keys, new__has_any_keys=columns)
    events = AuditEvent.objects.filter(wanted, clinic_id=parts[0].clinic_id).order_by()
    found = events.values_list("table_name", "row_id").annotate(last=Max("at"))
    return {(table, key): last for table, key, last in found}


def _times_then(
    parts: Sequence[SessionStaff], changed: Mapping[Place, datetime.datetime]
) -> dict[int, dict[str, datetime.datetime]]:
    """By session that was given away: what its times were before they were changed since."""
    table = SessionStaff._meta.db_table
    moments = {p.session_id: changed.get((table, p.pk)) for p in parts if not p.active}
    found: dict[int, dict[str, datetime.datetime]] = defaultdict(dict)
    if not moments:
        return found
    moves = AuditEvent.objects.filter(
        clinic_id=parts[0].clinic_id,
        table_name=Session._meta.db_table,
        row_id__in=moments,
        old__has_any_keys=[*TIMES],
    ).order_by("at", "id")
    for row_id, at, old in moves.values_list("row_id", "at", "old"):
        since = moments[row_id]
        if since is not None and at > since:
            # The first change of a column says what was before it.
            found[row_id] = _times_in(old) | found[row_id]
    return found


def _times_in(old: dict[str, str] | None) -> dict[str, datetime.datetime]:
    values = old or {}
    return {name: datetime.datetime.fromisoformat(values[name]) for name in TIMES & values.keys()}


# --- how it is written ---------------------------------------------------------------------------


def calendar(entries: Iterable[Entry], *, name: str, uid: uuid.UUID) -> bytes:
    """The whole calendar. The same entries give the same bytes."""
    whole = icalendar.Calendar.new(prodid=PRODUCT, uid=uid)
    for key in ("NAME", "X-WR-CALNAME"):  # as text: the library's own `name` escapes nothing
        whole.add(key, vText(_line(name)))
    whole.add("REFRESH-INTERVAL", vDuration(REFRESH), parameters={"VALUE": "DURATION"})
    whole.add("X-PUBLISHED-TTL", vDuration(REFRESH))
    for entry in entries:
        whole.add_component(_event(entry))
    return whole.to_ical()


def _event(entry: Entry) -> icalendar.Event:
    """Without a method DTSTAMP is when the session changed, not when somebody asked (3.8.7.2)."""
    return icalendar.Event.new(
        uid=entry.uid,
        sequence=entry.revision,
        stamp=entry.changed_at,
        last_modified=entry.changed_at,
        start=entry.starts_at,
        end=entry.ends_at,
        summary=_line(entry.title),
        location=_line(entry.location) or None,
        status=icalendar.STATUS.CONFIRMED if entry.takes_place else icalendar.STATUS.CANCELLED,
        transparency=icalendar.TRANSP.OPAQUE if entry.takes_place else icalendar.TRANSP.TRANSPARENT,
        classification=icalendar.CLASS.PRIVATE,
    )


def _line(text: str) -> str:
    """A name as one line: iCalendar takes no control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def fingerprint(entries: Sequence[Entry], *, name: str) -> str:
    """The same for the same calendar, without writing it; another one after an upgrade."""
    told = repr((FORM, icalendar.__version__, name, entries))
    return hashlib.sha256(told.encode()).hexdigest()[:32]


FORM = 1
"""Raise it when the same entries are written in another way."""
