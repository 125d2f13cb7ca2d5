"""Credentials of a session type at the admin site, and who could stand in."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from iop_clinic.accounts.models import License, Therapist
from iop_clinic.accounts.roles import Role
from scheduling.models import SessionStaff, SessionType
from scheduling.services import assign_substitute, expand
from tests import factories as f
from tests.admin import Desk, desk
from tests.lists import cells, lines, panels
from tests.scheduling.admin.planned import TODAY, planned
from tests.scheduling.conftest import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(world: World) -> Desk:
    return desk(world.clinic, Role.ADMINISTRATOR)


def asks(world: World, *codes: str) -> None:
    SessionType.objects.filter(pk=world.kind.pk).update(credentials=list(codes))


def therapist(world: World, name: str, *codes: str, **extra) -> Therapist:
    row = f.TherapistFactory(clinic=world.clinic, name=name, **extra)
    for code in codes:
        f.LicenseFactory(therapist=row, credential=code)
    return row


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("lcsw, LPC", ["LMFT", "LCSW", "LPC"]),
        ("LCSW lpc;LCSW / RN-BC", ["LMFT", "LCSW", "LPC", "RN-BC"]),
        ("", ["LMFT"]),
        (" , lmft", ["LMFT"]),
    ],
)
def test_credentials_are_chosen_or_typed_as_licenses_carry_them(world, owner, typed, stored):
    therapist(world, "Al", "lmft", "LADC")
    owner.save(owner.look(world.kind, "leaders", held=["LMFT"], others=typed, unheld="on"))
    assert SessionType.objects.get(pk=world.kind.pk).credentials == stored


@pytest.mark.parametrize("typed", ["L.C.S.W.", "LCSW, Ärztin", "1ST", "X" * 21])
def test_what_is_no_code_is_refused_at_the_field(world, owner, typed):
    answer = owner.fill(world.kind, "leaders", others=typed, unheld="on")
    said = "Credentials are a list of codes in capital letters, such as LCSW or LPC."
    assert answer.errors == {"others": [said]}
    assert SessionType.objects.get(pk=world.kind.pk).credentials == []


def test_the_codes_of_the_clinics_own_licenses_are_offered(world, owner):
    therapist(world, "Al", "lmhc", "LPC")
    therapist(world, "Gone", "LADC", active=False)
    f.LicenseFactory(credential="ELSEWHERE")
    asks(world, "LPC", "RN")
    form = owner.open(world.kind, "leaders").context["form"]
    assert form.fields["held"].choices == [("LMHC", "LMHC"), ("LPC", "LPC")]
    assert (form["held"].value(), form["others"].value()) == (["LPC"], "RN")


def test_a_word_that_nobody_holds_is_questioned(world, owner):
    therapist(world, "Al", "LCSW")
    answer = owner.fill(world.kind, "leaders", others="lcws")
    said = (
        "Nobody here holds LCWS. Look at the spelling; if it is right, say that nobody holds it "
        "yet."
    )
    assert answer.errors == {"others": [said]}
    assert SessionType.objects.get(pk=world.kind.pk).credentials == []
    asks(world, "LCWS")
    assert owner.fill(world.kind, "leaders", others="LCWS").status == 302


def test_what_nobody_would_lead_any_more_is_read_before_it_is_saved(world, owner):
    f.LicenseFactory(therapist=world.therapist, credential="LCSW")
    therapist(world, "Al", "LPC")
    covered = planned(world)
    assign_substitute(session=covered, therapist=Therapist.objects.get(name="Al"), by=world.by)
    f.session(f.ClinicFactory(), "2026-03-09", "09:00", "10:00")
    ahead = owner.look(world.kind, "leaders", held=["LPC"])
    blocks, sessions = ahead.panels
    why = f"{world.kind} asks for LPC in NY, and {world.therapist.name} has none"
    assert blocks.title == "Weekly blocks that nobody qualified would lead: 1"
    assert [tuple(map(str, row)) for row in lines(blocks)] == [
        (f"{world.group}, Monday 9:00 AM", why)
    ]
    assert sessions.title == "Sessions to come that would need cover: 3"
    assert [str(row[0]) for row in lines(sessions)] == [
        f"{world.group}, {day}, 9:00 AM" for day in ("Mon Mar 2", "Mon Mar 16", "Mon Mar 23")
    ]
    assert SessionType.objects.get(pk=world.kind.pk).credentials == []
    assert owner.save(ahead).sentences == [f"{world.kind} is led by LPC."]
    assert SessionType.objects.get(pk=world.kind.pk).credentials == ["LPC"]


def statements(owner: Desk, world: World) -> int:
    with CaptureQueriesContext(connection) as captured:
        owner.look(world.kind, "leaders", held=["LPC"])
    return len(captured)


def test_looking_ahead_takes_the_same_statements_for_one_and_for_many(world, owner):
    therapist(world, "Al", "LPC")
    f.LicenseFactory(therapist=world.therapist)
    before = statements(owner, world)
    for weekday in range(1, 6):
        leader = therapist(world, f"Leader {weekday}", "LCSW")
        world.block(weekday=weekday, facilitator=leader)
    expand(clinic=world.clinic, today=TODAY, by=world.by)
    assert statements(owner, world) == before == 23


def test_the_list_and_the_page_say_who_may_lead(world, owner):
    asks(world, "LPC", "LCSW")
    therapist(world, "Zoe", "LPC")
    therapist(world, "Al", "LADC")
    assert [row["led_by"] for row in cells(owner, SessionType)] == ["LPC or LCSW"]
    needed = f"{world.kind} asks for LPC or LCSW in NY, and"
    shown = lines(panels(owner, world.kind)["Who may lead it today"])
    assert [tuple(map(str, row)) for row in shown] == [
        ("Zoe, LCSW", "yes", "Dec 31, 2030"),
        ("Al, LCSW", f"{needed} Al has none", ""),
        (str(world.therapist), f"{needed} {world.therapist.name} has none", ""),
    ]


def test_a_therapists_page_says_which_types_they_may_lead(world, owner):
    asks(world, "LPC")
    other = f.SessionTypeFactory(clinic=world.clinic, name="Peer support")
    shown = lines(panels(owner, world.therapist)["May lead"])
    assert [tuple(map(str, row)) for row in shown] == [
        (other.name, "yes", "needs no license"),
        (world.kind.name, f"{world.kind} asks for LPC in NY, and {world.therapist.name} has none",
         ""),
    ]  # fmt: skip


def test_whoever_is_free_and_qualified_is_called_first(world, coordinator):
    asks(world, "LPC")
    cy = therapist(world, "Cy", "LPC", phone="555-0101")
    al = therapist(world, "Al")
    page = coordinator.open(planned(world), "substitute")
    form = page.context["form"]
    free, others = form.before()
    assert [tuple(row) for row in lines(free)] == [("Cy, LCSW", "555-0101")]
    assert [str(row[0]) for row in lines(others)] == [str(al), str(world.therapist)]
    assert form.fields["therapist"].choices == [
        ("", "Select …"),
        ("Free and qualified", [(cy.pk, "Cy, LCSW")]),
        ("Others", [(al.pk, str(al)), (world.therapist.pk, str(world.therapist))]),
    ]


def test_an_unqualified_substitute_is_refused_at_the_field(world, coordinator):
    asks(world, "LPC")
    al, session = therapist(world, "Al"), planned(world)
    before = set(SessionStaff.objects.values_list("therapist", "role", "active"))
    answer = coordinator.fill(session, "substitute", therapist=al)
    said = (
        f"License: {world.kind} asks for LPC in NY, and Al has none. Choose somebody else, or "
        "enter the license first."
    )
    assert answer.errors == {"therapist": [said]}
    assert set(SessionStaff.objects.values_list("therapist", "role", "active")) == before
    license_ = f.LicenseFactory(therapist=al, credential="LPC")
    assert coordinator.fill(session, "substitute", therapist=al).status == 302
    License.objects.filter(pk=license_.pk).update(expires_on=TODAY - datetime.timedelta(days=1))
    assert planned(world).staff.get(therapist=al).active


def test_a_session_is_planned_at_the_site_with_a_qualified_leader(world, coordinator):
    asks(world, "LPC")
    count = type(planned(world)).objects.count()
    answer = coordinator.fill(
        type(planned(world)), "plan", session_type=world.kind, therapist=world.therapist,
        day="2026-03-10", starts="09:00", ends="10:00",
    )  # fmt: skip
    assert list(answer.errors) == ["therapist"]
    assert type(planned(world)).objects.count() == count
