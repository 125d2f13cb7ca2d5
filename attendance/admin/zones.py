"""The form that puts a clinic into another time zone; what moves is shown first."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from attendance.zones import change_zone, preview_zone
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.forms import ServiceForm, text_field
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import hours_and_minutes, long_moment
from scheduling.admin.wording import session_when
from scheduling.models import Booking, Session
from scheduling.services import Rezoned

SHOWN = 12
US_ZONES = (
    "America/New_York, America/Chicago, America/Denver, America/Phoenix, America/Los_Angeles, "
    "America/Anchorage or Pacific/Honolulu"
)


class ZoneForm(ServiceForm):
    title = "Change the time zone"
    path = "zone"
    can = Can.MANAGE_CLINIC
    looks_ahead = True
    explanation = (
        "Sessions and time off to come keep their date and their time on the wall: 9:00 AM stays "
        "9:00 AM. What has begun stays as it was. First you see what moves."
    )
    row: Clinic
    in_the_way: Sequence[Booking] = ()
    """The visits or records for which it was refused."""
    zone = text_field("New time zone", max_length=60, help_text=f"In the US: {US_ZONES}.")

    def introduction(self) -> str:
        return f"Now {self.row.zone}. {self.explanation}"

    def refuse(self, refused: Refused) -> None:
        keys: Any = refused.details.get("bookings") or ()
        rows = Booking.objects.visible_to(self.user).filter(clinic=self.clinic, pk__in=keys)
        named = rows.select_related("patient", "session__group", "session__session_type")
        self.in_the_way = list(named.order_by("starts_at", "pk"))
        if self.in_the_way:
            note_read(*self.in_the_way, by=self.user)
        super().refuse(refused)

    def before(self) -> Iterable[Panel]:
        if self.in_the_way:
            yield Panel(
                "In the way",
                ("Patient", "Booking"),
                [(link(one.patient), link(one, session_when(one.session)))
                 for one in self.in_the_way],
            )  # fmt: skip

    def ahead(self) -> Sequence[Panel]:
        zone = self.cleaned_data["zone"]
        found = preview_zone(clinic=self.row, zone=zone, by=self.user)
        return list(_panels(found, self.row, zone))

    def run(self) -> str:
        done = change_zone(clinic=self.row, zone=self.cleaned_data["zone"], by=self.user)
        kept = f"{_sessions(done.moved)} to come: date and time on the wall stay as they were."
        return f"The clinic's time zone is {self.row.zone}. {kept}"


def _sessions(sessions: Sequence[Session]) -> str:
    return "1 session" if len(sessions) == 1 else f"{len(sessions)} sessions"


def _panels(found: Rezoned, clinic: Clinic, zone: str) -> Iterator[Panel]:
    then = ZoneInfo(zone)
    lines: list[tuple[object, ...]] = [
        (link(one), _moment(found.was[one.pk].starts_at, clinic.tz), _moment(one.starts_at, then),
         _later(one.starts_at - found.was[one.pk].starts_at))
        for one in found.moved[:SHOWN]
    ]  # fmt: skip
    if more := found.moved[SHOWN:]:
        lines.append(
            (f"and {len(more)} more", "", f"the last: {_moment(more[-1].starts_at, then)}", "")
        )
    yield Panel(
        f"{_sessions(found.moved)} to come",
        ("Session", "Now", "Then", "Begins"),
        lines,
        empty="Nothing is planned.",
        note=f"Time off that is not over keeps its times as well: {found.time_off}.",
    )
    if found.kept:
        yield Panel(
            f"{_sessions(found.kept)} too near to move",
            ("Session", "Begins"),
            [(link(one), _moment(one.starts_at, clinic.tz)) for one in found.kept],
            note="By the new clock they would have begun. They begin when they were to begin.",
        )


def _moment(instant: datetime.datetime, zone: ZoneInfo) -> str:
    wall = instant.astimezone(zone)
    return f"{long_moment(wall)} {wall:%Z}"


def _later(shift: datetime.timedelta) -> str:
    minutes = int(shift.total_seconds()) // 60
    return f"{hours_and_minutes(abs(minutes))} {'later' if minutes > 0 else 'earlier'}"
