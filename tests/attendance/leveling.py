"""A member of an outpatient group who is to step up, and the group of the higher level.

Monday, March 2, at eight: the old group meets on Monday, Wednesday and Friday at nine, the new one
on Wednesday, Thursday and Friday at two; all of it is planned and booked.
"""

from __future__ import annotations

import datetime
from typing import Any

from attendance.levels import LevelChange, change_level
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Role
from patients.models import Episode, Level
from scheduling.models import Booking, Group, GroupMembership, Session
from scheduling.services import enrol
from tests import factories as f
from tests.attendance.house import FRI, MON, THU, WED, House

NOW = datetime.datetime(2026, 3, 2, 13, 0, tzinfo=datetime.UTC)
PLAN = {"level": Level.PHP, "age_bracket": 1, "weekly_minutes_target": 1200, "days_per_week": 5}
UP = "Level of care: PHP 2.5"


class Leveling:
    def __init__(self) -> None:
        self.house = House()
        self.clinic = self.house.clinic
        self.old: Group = self.house.group
        self.by: User = f.staff(self.clinic, Role.COORDINATOR)
        self.new: Group = self.group(level=Level.PHP)
        for day in (MON, WED, FRI):
            self.session(self.old, day, "09:00", "12:20")
        for day in (WED, THU, FRI):
            self.session(self.new, day, "14:00", "17:00")
        self.pat = self.house.patient(seat=None)
        self.seat: GroupMembership = enrol(
            group=self.old, episode=self.pat, starts_on=MON, by=self.by
        )

    def group(self, **extra: Any) -> Group:
        given = {"program": self.old.program, "capacity": 8, "min_size": 1, **extra}
        row: Group = f.GroupFactory(clinic=self.clinic, **given)
        return row

    def session(self, group: Group, day: datetime.date, starts: str, ends: str) -> Session:
        row: Session = f.session(
            self.clinic, day.isoformat(), starts, ends, group=group,
            session_type=self.house.type, capacity=group.capacity,
        )  # fmt: skip
        return row

    def change(self, episode: Episode | None = None, **extra: Any) -> LevelChange:
        given = {"starts_on": WED, "plan": PLAN, "by": self.by, "now": NOW, **extra}
        return change_level(episode=episode or self.pat, **given)

    def payer(self) -> Any:
        return f.PayerFactory(clinic=self.clinic, needs_authorization=True)

    def approval(self, **extra: Any) -> dict[str, Any]:
        given = {"number": "A-1", "unit": "day", "units": 20, "ends_on": datetime.date(2026, 4, 1)}
        return {"payer": self.payer(), **given, **extra}

    def fill(self, group: Group, seats: int) -> None:
        """So many seats of a group are taken, by people of its own level."""
        for n in range(seats):
            row = self.house.patient(seat=None)
            row.plans.update(
                level=group.level, weekly_minutes_target=1200, least_weekly_minutes=1200,
                most_weekly_minutes=2400,
            )  # fmt: skip
            GroupMembership.objects.create(
                clinic=self.clinic, group=group, episode=row, seat=n + 1, starts_on=MON
            )

    def booked(self, episode: Episode | None = None) -> list[tuple[str, datetime.date, str]]:
        """Which group on which date, and how the booking stands."""
        rows = Booking.objects.filter(episode=episode or self.pat).order_by("starts_at")
        named = {self.old.pk: "old", self.new.pk: "new"}
        return [
            (named[row.session.group_id], row.session.local_date, row.state)
            for row in rows.select_related("session")
        ]
