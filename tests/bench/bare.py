"""The same answers with the least SQL there can be: what a read of the API stands beside.

Each finds the token, the session or the day, and nothing else: no role, no rule, no note of the
read. They know what the bench has stored (one program, grace of five minutes, nobody excused), so
they show what the arithmetic and the guards of the real views cost.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path
from knox.crypto import hash_token

from iop_clinic import urls

GRACE = timedelta(minutes=5)
MINIMUM, THRESHOLD = 540, 180

TOKEN = "SELECT user_id FROM accounts_device WHERE digest = %s AND expiry > now()"
SESSIONS = """
SELECT s.id, s.public_id, t.name, t.kind, s.starts_at, s.ends_at, s.zone, s.local_date, r.name,
       s.by_video, s.off_site,
       (SELECT json_agg(json_build_object('name', p.name, 'role', w.role) ORDER BY w.id)
        FROM scheduling_sessionstaff w JOIN accounts_therapist p ON p.id = w.therapist_id
        WHERE w.session_id = s.id AND w.active),
       s.capacity, count(b.id), count(a.id), s.signed_at
FROM scheduling_session s
JOIN scheduling_sessiontype t ON t.id = s.session_type_id
LEFT JOIN scheduling_room r ON r.id = s.room_id
LEFT JOIN scheduling_booking b ON b.session_id = s.id AND b.state <> 'withdrawn'
LEFT JOIN attendance_attendancerecord a ON a.booking_id = b.id
"""
GROUPED = " GROUP BY s.id, t.id, r.id ORDER BY s.starts_at, s.id"
ROSTER = """
SELECT b.public_id, p.public_id, p.last_name || ', ' || p.first_name,
       p.first_name || ' ' || left(p.last_name, 1) || '.', b.seat, b.state, a.attended,
       a.arrived_at, a.left_at, a.notified_at, a.absence_reason, a.proof, a.excused_override,
       a.credited_minutes, coalesce(u.name, ''), a.source, a.version,
       (SELECT coalesce(sum(c.credited_minutes), 0)
        FROM scheduling_booking w JOIN attendance_attendancerecord c ON c.booking_id = w.id
        WHERE w.clinic_id = b.clinic_id AND w.episode_id = b.episode_id AND w.live
          AND w.starts_at >= %s AND w.starts_at < %s)
FROM scheduling_booking b
JOIN patients_patient p ON p.id = b.patient_id
LEFT JOIN attendance_attendancerecord a ON a.booking_id = b.id
LEFT JOIN accounts_user u ON u.id = a.recorded_by_id
WHERE b.session_id = %s AND b.state <> 'withdrawn' ORDER BY b.seat
"""


def rows(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def session(request: HttpRequest, public_id: str) -> JsonResponse:
    _who(request)
    (row,) = rows(SESSIONS + "WHERE s.public_id = %s" + GROUPED, public_id)
    shown = _session(row)
    zone, starts = ZoneInfo(row[6]), row[4]
    monday = row[7] - timedelta(days=row[7].weekday())
    first = datetime.combine(monday, datetime.min.time(), tzinfo=zone)
    found = rows(ROSTER, first, first + timedelta(days=7), row[0])
    signed = _at(row[15], zone)
    roster = [_line(one, starts, row[5], zone) for one in found]
    return JsonResponse({**shown, "signed_at": signed, "roster": roster})


def day(request: HttpRequest, date: str) -> JsonResponse:
    user = _who(request)
    mine = """
    JOIN scheduling_sessionstaff x ON x.session_id = s.id
    JOIN accounts_membership m ON m.therapist_id = x.therapist_id AND m.user_id = %s
    WHERE s.local_date = %s"""
    found = rows(SESSIONS + mine + GROUPED, user, date)
    shown = [_session(row) for row in found]
    return JsonResponse({"results": shown, "next": None, "previous": None})


def _who(request: HttpRequest) -> int:
    token = request.headers["Authorization"].removeprefix("Bearer ")
    ((user,),) = rows(TOKEN, hash_token(token))
    return int(user)


def _session(row: tuple[Any, ...]) -> dict[str, Any]:
    (_, public_id, title, kind, starts, ends, zone, date, *others) = row
    (room, by_video, off_site, staff, capacity, expected, recorded, _) = others
    return {
        "id": public_id, "title": title, "kind": kind,
        "starts_at": _at(starts, ZoneInfo(zone)), "ends_at": _at(ends, ZoneInfo(zone)),
        "zone": zone, "local_date": date, "room": room, "by_video": by_video,
        "off_site": off_site, "staff": staff or [],
        "state": "unrecorded" if recorded < expected else "recorded",
        "capacity": capacity, "expected": expected, "recorded": recorded,
    }  # fmt: skip


def _line(row: tuple[Any, ...], starts: datetime, ends: datetime, zone: ZoneInfo) -> dict[str, Any]:
    (booking, patient, name, short, seat, state, attended, arrived, left, *facts, total) = row
    notified, reason, proof, override, credited, by, source, version = facts
    return {
        "booking": booking, "seat": seat,
        "patient": {"id": patient, "name": name, "short_name": short},
        "booking_state": state, "visits": [], "status": "present" if attended else "no_show",
        "late": bool(arrived and arrived > starts + GRACE),
        "left_early": bool(left and left < ends - GRACE),
        "arrived_at": _at(arrived, zone), "left_at": _at(left, zone), "away": [],
        "notified_at": _at(notified, zone), "absence_reason": reason, "proof": proof,
        "excused_override": override, "credited_minutes": credited, "version": version,
        "recorded_by": by, "source": source,
        "week": {
            "credited": total, "at_least": total, "at_most": total, "minimum": MINIMUM,
            "minutes_to_go": MINIMUM - total, "day_credited": total, "day_threshold": THRESHOLD,
            "day_at_most": total, "day_to_go": max(THRESHOLD - total, 0),
            "day_counts": total >= THRESHOLD,
        },
    }  # fmt: skip


def _at(value: datetime | None, zone: ZoneInfo) -> str | None:
    return value.astimezone(zone).isoformat() if value else None


urlpatterns = [
    *urls.urlpatterns,
    path("bare/sessions/<uuid:public_id>/", session),
    path("bare/days/<str:date>/", day),
]
