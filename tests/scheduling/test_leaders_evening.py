"""A leader keeps the group until midnight on the clinic's own wall, not in Greenwich."""

import datetime
from typing import Any

import pytest
import time_machine

from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Group, GroupMembership, WeeklyBlock
from tests import factories as f

LAST = datetime.date(2026, 3, 2)


@pytest.fixture
def led(db: None) -> Any:
    """A therapist in Los Angeles, and their group: the rows they see, by the evening's clock."""
    clinic = f.ClinicFactory(zone="America/Los_Angeles", state="CA")
    leader = f.staff(clinic, Role.THERAPIST)
    group = f.GroupFactory(clinic=clinic)
    block = f.WeeklyBlockFactory(group=group, facilitator=leader.memberships.get().therapist)
    seat = GroupMembership.objects.create(
        clinic=clinic, group=group, episode=f.admitted(clinic), seat=1, starts_on="2026-01-05"
    )

    def seen(row: Any, day: str, time: str, **last: datetime.date) -> list[int]:
        type(row).objects.filter(pk=row.pk).update(**last)
        with time_machine.travel(f.at(clinic, day, time), tick=False):
            return [
                model.objects.visible_to(leader).count()
                for model in (WeeklyBlock, Group, GroupMembership, Episode)
            ]

    seen.block, seen.seat = block, seat  # type: ignore[attr-defined]
    return seen


def test_on_the_evening_of_the_last_day_the_group_is_still_the_leaders(led):
    assert led(led.block, "2026-03-02", "22:00", valid_until=LAST) == [1, 1, 1, 1]
    assert led(led.block, "2026-03-03", "00:00", valid_until=LAST) == [0, 0, 0, 0]


def test_on_the_evening_of_a_members_last_day_the_patient_is_still_the_leaders(led):
    assert led(led.seat, "2026-03-02", "22:00", ends_on=LAST) == [1, 1, 1, 1]
    assert led(led.seat, "2026-03-03", "00:00", ends_on=LAST) == [1, 1, 1, 0]
