"""Who could stand in: free and qualified first, the others with the reason."""

from __future__ import annotations

import pytest

from iop_clinic.accounts.models import Therapist
from scheduling.models import Session, SessionStaff, SessionType
from scheduling.services import add_time_off
from scheduling.standing_in import leaders_for
from tests import factories as f
from tests.scheduling.conftest import World

pytestmark = pytest.mark.django_db

NEXT = "2026-03-09"


@pytest.fixture
def staff(world: World) -> dict[str, Therapist]:
    """World's therapist is Zoe, who leads; the type asks for an LPC, which Bo and Al have not."""
    SessionType.objects.filter(pk=world.kind.pk).update(credentials=["LPC"])
    Therapist.objects.filter(pk=world.therapist.pk).update(name="Zoe")
    known = {"Zoe": world.therapist}
    for name in ("Al", "Bo", "Cy", "Di", "Ed"):
        known[name] = f.TherapistFactory(clinic=world.clinic, name=name, phone=f"555 {name}")
    for name in ("Cy", "Di", "Ed", "Zoe"):
        f.LicenseFactory(therapist=known[name], credential="LPC")
    f.TherapistFactory(clinic=world.clinic, name="Gone", active=False)
    f.LicenseFactory(therapist__name="Elsewhere", credential="LPC")
    return known


def candidates(world: World, *sessions: Session) -> list[list[tuple[str, str, str]]]:
    rows = list(Session.objects.filter(pk__in=[one.pk for one in sessions]).order_by("pk"))
    found = leaders_for(world.clinic, rows)
    return [
        [(one.therapist.name, one.therapist.phone, one.trouble) for one in found[row.pk]]
        for row in rows
    ]


def test_free_and_qualified_ones_come_first(world: World, staff: dict[str, Therapist]) -> None:
    session = world.session(NEXT, therapist=staff["Zoe"])
    world.session(NEXT, "09:30", "10:30", therapist=staff["Di"])
    add_time_off(
        therapist=staff["Ed"], starts_at=world.at(NEXT, "08:00"), ends_at=world.at(NEXT, "09:01"),
        by=world.by,
    )  # fmt: skip
    missing = f"License: {world.kind} asks for LPC in NY, and"
    assert candidates(world, session) == [
        [
            ("Cy", "555 Cy", ""),
            ("Al", "555 Al", f"{missing} Al has none"),
            ("Bo", "555 Bo", f"{missing} Bo has none"),
            ("Di", "555 Di", "Di leads another session"),
            ("Ed", "555 Ed", "Ed has time off"),
            ("Zoe", "", "Zoe leads it already"),
        ]
    ]


def test_a_co_facilitator_may_take_over(world: World, staff: dict[str, Therapist]) -> None:
    session = world.session(NEXT, therapist=staff["Zoe"])
    SessionStaff.objects.create(
        clinic=world.clinic, session=session, therapist=staff["Cy"], role="co_facilitator",
        starts_at=session.starts_at, ends_at=session.ends_at, live=True,
    )  # fmt: skip
    assert [name for name, _, trouble in candidates(world, session)[0] if not trouble] == [
        "Cy", "Di", "Ed",
    ]  # fmt: skip


def test_who_leads_one_of_several_is_not_free_for_another(world: World, staff) -> None:
    first = world.session(NEXT, therapist=staff["Zoe"])
    second = world.session(NEXT, "09:30", "10:30", therapist=staff["Cy"])
    third = world.session(NEXT, "10:00", "11:00", therapist=staff["Di"])
    free = [
        [name for name, _, trouble in rows if not trouble]
        for rows in candidates(world, first, second, third)
    ]
    assert free == [["Di", "Ed"], ["Ed"], ["Ed", "Zoe"]]


def test_six_statements_for_any_number_of_sessions(
    world: World, staff: dict[str, Therapist], django_assert_num_queries
) -> None:
    rows = [world.session(NEXT, therapist=staff["Zoe"])]
    with django_assert_num_queries(6):
        leaders_for(world.clinic, rows)
    rows += [world.session(NEXT, "11:00", "12:00", therapist=one) for one in staff.values()]
    for _ in range(20):
        f.LicenseFactory(therapist__clinic=world.clinic)
    with django_assert_num_queries(6):
        leaders_for(world.clinic, rows)


def test_no_session_asks_nothing(world: World, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert leaders_for(world.clinic, []) == {}
