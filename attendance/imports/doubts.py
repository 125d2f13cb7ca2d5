"""Which sessions nobody can know while other rows are wrong: those are not blamed on attendance.

A patient's session comes from a block, a seat and a stay. Where a row of these is wrong and may be
the one that an attendance row needs, "has no session" would only repeat that problem.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from typing import Any

from attendance.imports.columns import folded
from attendance.imports.intake import Intake
from attendance.imports.reading import Row
from attendance.imports.tables import BLOCKS, EPISODES, GROUPS, MAKE_UPS, MEMBERSHIPS, PATIENTS
from scheduling.models import GroupMembership, Session


class Doubts:
    """Made once the sessions are there."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        broken = intake.reading.broken
        self._everything = not broken.isdisjoint({BLOCKS.name, EPISODES.name, MAKE_UPS.name})
        self._blocks = intake.bad_rows(BLOCKS)
        self._guests = [row for row in intake.bad_rows(MAKE_UPS) if row["group"]]
        self._members = intake.bad_rows(MEMBERSHIPS)
        if MEMBERSHIPS.name in broken:
            self._members = [Row(MEMBERSHIPS, MEMBERSHIPS.file, 0, bad=True)]
        self._groups = self._groups_by_record()
        self._starts = self._starts_by_group() if self._members else {}

    def _groups_by_record(self) -> dict[Any, set[Any]]:
        groups: dict[Any, set[Any]] = defaultdict(set)
        if not self._blocks:
            return groups
        for row in self._intake.reading.of(MEMBERSHIPS):
            groups[folded(row["record_number"])].add(folded(row["group"]))
        stored = GroupMembership.objects.filter(clinic=self._intake.clinic)
        for record, group in stored.values_list("episode__patient__record_number", "group__name"):
            groups[folded(record)].add(folded(group))
        return groups

    def _starts_by_group(self) -> dict[Any, set[datetime.datetime]]:
        starts: dict[Any, set[datetime.datetime]] = defaultdict(set)
        sessions = Session.objects.filter(clinic=self._intake.clinic, group__isnull=False)
        for group, start in sessions.values_list("group__name", "starts_at"):
            starts[folded(group)].add(start)
            starts[None].add(start)
        return starts

    def cover(self, record: Any, starts_at: datetime.datetime, day: datetime.date) -> bool:
        """Whether a wrong row may be why this patient has no session then."""
        return (
            self._everything
            or self._intake.unsure(record)
            or any(self._may_be(block, record, day) for block in self._blocks)
            or any(self._may_seat(member, record, starts_at) for member in self._members)
            or any(_is(row["record_number"], record) and row["date"] in (None, day)
                   for row in self._guests)
        )  # fmt: skip

    def miss(self, group: str, day: datetime.date) -> bool:
        """Whether a wrong block may be why this group has no session then."""
        return self._everything or any(
            block["weekday"] in (None, day.weekday())
            and (folded(block["group"]) == folded(group)
                 or not self._known(GROUPS.name, folded(block["group"])))
            for block in self._blocks
        )  # fmt: skip

    def _may_be(self, block: Row, record: Any, day: datetime.date) -> bool:
        if block["weekday"] not in (None, day.weekday()):
            return False
        whose = folded(block["record_number"])
        if whose is not None and (whose == record or not self._known(PATIENTS.name, whose)):
            return True
        group = folded(block["group"])
        if group is None:
            return whose is None
        return group in self._groups[record] or not self._known(GROUPS.name, group)

    def _may_seat(self, member: Row, record: Any, starts_at: datetime.datetime) -> bool:
        whose, group = folded(member["record_number"]), folded(member["group"])
        if whose is not None and whose != record and self._known(PATIENTS.name, whose):
            return False
        return starts_at in self._starts.get(
            group if self._known(GROUPS.name, group) else None, set()
        )

    def _known(self, table: str, name: Any) -> bool:
        return name in self._intake.known[table]


def _is(value: Any, record: Any) -> bool:
    return value is None or folded(value) == record
