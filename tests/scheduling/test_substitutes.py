"""Sessions led by somebody else than planned, and handed back."""

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.models import Therapist
from scheduling import services
from scheduling.models import Session, SessionStaff
from scheduling.services.sessions import add_staff
from tests import factories as f
from tests.scheduling.conftest import World

DAY = datetime.timedelta(days=1)


def led(world: World) -> Session:
    """Tomorrow at nine, led by the world's therapist."""
    return world.group_session("2026-03-03", therapist=world.therapist)


def substitute(world: World, row: Session, **extra: Any) -> SessionStaff:
    asked = {"therapist": f.TherapistFactory(clinic=world.clinic), **extra}
    return services.assign_substitute(session=row, by=world.by, **asked)


def test_a_substitute_leads_with_access_for_a_week(world: World) -> None:
    row = led(world)
    part = substitute(world, row)
    assert (part.role, part.active, part.access_until) == (
        "substitute",
        True,
        row.ends_at + 7 * DAY,
    )
    assert list(row.staff.filter(active=True)) == [part]
    assert row.staff.filter(role="facilitator", active=False).count() == 1


def test_the_facilitator_is_free_and_may_come_back(world: World) -> None:
    row = led(world)
    substitute(world, row)
    services.create_session(
        clinic=world.clinic, session_type=world.kind, therapist=world.therapist, by=world.by,
        starts_at=world.at("2026-03-03", "09:30"), ends_at=world.at("2026-03-03", "10:30"),
    )  # fmt: skip
    with pytest.raises(Refused) as caught:
        substitute(world, row, therapist=world.therapist)
    assert caught.value.code == "therapist_busy"
    assert row.staff.get(active=True).role == "substitute"


def test_a_substitute_settles_a_missing_leader(world: World) -> None:
    row = world.session("2026-03-03", needs_attention="No leader: x; No room: y")
    substitute(world, row)
    assert row.needs_attention == "No room: y"


def part(row: Session, therapist: Therapist) -> tuple[str, bool, datetime.datetime | None]:
    found = row.staff.get(therapist=therapist)
    return found.role, found.active, found.access_until


def test_the_access_of_a_substitute_moves_with_the_session(world: World) -> None:
    row = led(world)
    gone, present = substitute(world, row).therapist, substitute(world, row).therapist
    starts, ends = world.at("2026-03-23", "13:00"), world.at("2026-03-23", "14:00")
    services.move_session(session=row, starts_at=starts, ends_at=ends, by=world.by)
    until = ends + 7 * DAY
    assert part(row, present) == ("substitute", True, until)
    assert part(row, gone) == ("substitute", False, until)
    assert part(row, world.therapist) == ("facilitator", False, None)


def test_who_led_it_comes_back_as_who_leads_it(world: World) -> None:
    row = led(world)
    helper = substitute(world, row).therapist
    substitute(world, row, therapist=world.therapist)
    assert part(row, world.therapist) == ("facilitator", True, None)
    assert part(row, helper) == ("substitute", False, row.ends_at + 7 * DAY)
    substitute(world, row, therapist=helper)
    assert part(row, helper) == ("substitute", True, row.ends_at + 7 * DAY)
    assert part(row, world.therapist) == ("facilitator", False, None)


def test_a_co_facilitator_who_steps_in_keeps_the_own_part(world: World) -> None:
    row, co = led(world), f.TherapistFactory(clinic=world.clinic)
    add_staff(row, co, SessionStaff.Role.CO_FACILITATOR)
    substitute(world, row, therapist=co)
    assert part(row, co) == ("co_facilitator", True, None)
    assert part(row, world.therapist) == ("facilitator", False, None)
    helper = substitute(world, row).therapist
    assert set(row.staff.filter(active=True).values_list("therapist", flat=True)) == {
        co.pk, helper.pk,
    }  # fmt: skip
