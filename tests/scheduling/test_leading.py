"""Who may lead a session: credential, state and date of a license, the same at every door."""

from __future__ import annotations

import datetime

import pytest
from django.db import IntegrityError, transaction

from iop_clinic.accounts.acting import Job, Refused
from iop_clinic.accounts.editing import check
from iop_clinic.accounts.models import License, Therapist
from scheduling import services
from scheduling.leading import licensed_until, not_qualified
from scheduling.models import Session, SessionStaff, SessionType, WeeklyBlock
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

pytestmark = pytest.mark.django_db

DAY = datetime.timedelta(days=1)
FIRST, LAST = TODAY - 30 * DAY, TODAY + 30 * DAY
SAM = Therapist(name="Sam Rivera")
ASKING = "License: Group therapy asks for LCSW or LPC in NY, and Sam Rivera"


def license_(
    credential: str = "LCSW",
    state: str = "NY",
    expires_on: datetime.date = LAST,
    issued_on: datetime.date | None = None,
) -> License:
    return License(credential=credential, state=state, expires_on=expires_on, issued_on=issued_on)


def kind(*credentials: str) -> SessionType:
    return SessionType(name="Group therapy", credentials=list(credentials))


# --- the rule ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("licenses", "said"),
    [
        ([], f"{ASKING} has none"),
        ([license_("LADC")], f"{ASKING} has none"),
        ([license_(state="CT")], f"{ASKING} has none"),
        ([license_(expires_on=TODAY - DAY)], f"{ASKING}’s LCSW ended on Mar 1, 2026"),
        ([license_(issued_on=TODAY + DAY)], f"{ASKING}’s LCSW is valid from Mar 3, 2026"),
        ([license_("LPC", expires_on=FIRST)], f"{ASKING}’s LPC ended on Jan 31, 2026"),
        ([license_(expires_on=TODAY)], ""),
        ([license_(issued_on=TODAY)], ""),
        ([license_("lpc", "ny")], ""),
        ([license_(expires_on=FIRST), license_("LPC")], ""),
    ],
)  # fmt: skip
def test_a_type_that_asks_for_credentials(licenses: list[License], said: str) -> None:
    assert not_qualified(SAM, licenses, kind("LCSW", "LPC"), "NY", TODAY) == said


@pytest.mark.parametrize(
    ("licenses", "said"),
    [
        ([], ""),
        ([license_("LADC")], ""),
        ([license_(expires_on=FIRST), license_("LADC")], ""),
        ([license_(expires_on=FIRST)], "License: none of Sam Rivera is valid on Mon Mar 2"),
        ([license_(state="CT")], "License: none of Sam Rivera is valid in NY on Mon Mar 2"),
    ],
)
def test_a_type_that_asks_for_none(licenses: list[License], said: str) -> None:
    assert not_qualified(SAM, licenses, kind(), "NY", TODAY) == said
    assert not_qualified(SAM, licenses, None, "NY", TODAY) == said


def test_a_clinic_without_a_state_takes_licenses_of_any() -> None:
    assert not_qualified(SAM, [license_(state="CT")], kind("LCSW"), "", TODAY) == ""
    said = "License: Group therapy asks for LPC, and Sam Rivera has none"
    assert not_qualified(SAM, [license_(state="CT")], kind("LPC"), "", TODAY) == said


@pytest.mark.parametrize(
    ("licenses", "until"),
    [
        ([], TODAY - DAY),
        ([license_(expires_on=TODAY - DAY)], TODAY - DAY),
        ([license_()], LAST),
        ([license_("LPC", expires_on=LAST + DAY), license_()], LAST + DAY),
        ([license_(), license_(issued_on=LAST + DAY, expires_on=LAST + 9 * DAY)], LAST + 9 * DAY),
        ([license_(), license_(issued_on=LAST + 2 * DAY, expires_on=LAST + 9 * DAY)], LAST),
        ([license_(), license_("LADC", expires_on=LAST + 9 * DAY)], LAST),
    ],
)
def test_how_long_somebody_stays_qualified(licenses: list[License], until: datetime.date) -> None:
    assert licensed_until(licenses, kind("LCSW", "LPC"), "NY", TODAY) == until


def test_staff_without_licenses_stay_qualified_where_none_is_asked_for() -> None:
    assert licensed_until([], kind(), "NY", TODAY) is None
    assert licensed_until([license_()], kind(), "NY", TODAY) == LAST


@pytest.mark.parametrize("value", [["lcsw"], [""], [7], [None], [["LCSW"]], {"LCSW": 1}, "LCSW", 7])
def test_only_codes_are_stored(world: World, value: object) -> None:
    with pytest.raises(Refused) as caught:
        check(SessionType(clinic=world.clinic, name="New", kind="group", credentials=value))
    assert caught.value.field == "credentials"
    with pytest.raises(IntegrityError) as broken, transaction.atomic():
        SessionType.objects.update(credentials=value)
    assert "sessiontype_credentials_listed" in str(broken.value)


# --- the doors -----------------------------------------------------------------------------------

WANTED = "Choose somebody else, or enter the license first."


@pytest.fixture
def asking(world: World) -> World:
    """The clinic's type asks for an LPC; the therapist is an LCSW."""
    f.LicenseFactory(therapist=world.therapist)
    SessionType.objects.filter(pk=world.kind.pk).update(credentials=["LPC"])
    world.kind.refresh_from_db()
    return world


def refusal(world: World, name: str) -> tuple[str, str, str]:
    said = f"License: {world.kind} asks for LPC in NY, and {name} has none. {WANTED}"
    return "not_qualified", said, "therapist"


def told(caught: pytest.ExceptionInfo[Refused]) -> tuple[str, str, str]:
    return caught.value.code, caught.value.message, caught.value.field


def plan(world: World, day: str = "2026-03-03", **extra) -> Session:
    given = {"clinic": world.clinic, "session_type": world.kind, "therapist": world.therapist}
    hours = {"starts_at": world.at(day, "09:00"), "ends_at": world.at(day, "10:00")}
    return services.create_session(**{**given, **hours, "by": world.by, **extra})


def test_a_session_is_planned_with_a_qualified_leader(asking: World) -> None:
    with pytest.raises(Refused) as caught:
        plan(asking)
    assert told(caught) == refusal(asking, asking.therapist.name)
    assert (Session.objects.count(), SessionStaff.objects.count()) == (0, 0)
    f.LicenseFactory(therapist=asking.therapist, credential="LPC")
    assert plan(asking).needs_attention == ""


@pytest.mark.parametrize(("day", "extra"), [("2026-03-01", {}), ("2026-03-03", {"by": Job("x")})])
def test_what_took_place_and_what_a_job_plans_is_marked(asking, day, extra) -> None:
    said = f"License: {asking.kind} asks for LPC in NY, and {asking.therapist.name} has none"
    assert plan(asking, day, **extra).needs_attention == said


def test_a_substitute_is_qualified(asking: World) -> None:
    session, other = asking.session("2026-03-03"), f.TherapistFactory(clinic=asking.clinic)
    with pytest.raises(Refused) as caught:
        services.assign_substitute(session=session, therapist=other, by=asking.by)
    assert told(caught) == refusal(asking, other.name)
    session.refresh_from_db()
    assert (session.version, session.staff.count()) == (1, 0)
    f.LicenseFactory(therapist=other, credential="LPC", expires_on=TODAY + DAY)
    services.assign_substitute(session=session, therapist=other, by=asking.by)
    assert [part.therapist for part in session.staff.all()] == [other]


def test_a_session_is_not_moved_to_where_its_leader_is_not_qualified(world: World) -> None:
    f.LicenseFactory(therapist=world.therapist, expires_on=TODAY + 2 * DAY)
    session = plan(world)
    with pytest.raises(Refused) as caught:
        move(world, session, "2026-03-05")
    said = f"License: none of {world.therapist.name} is valid on Thu Mar 5. {WANTED}"
    assert told(caught) == ("not_qualified", said, "therapist")
    assert move(world, session, "2026-03-04").local_date == TODAY + 2 * DAY


def test_who_was_not_qualified_before_does_not_keep_a_session_from_being_moved(world) -> None:
    f.LicenseFactory(therapist=world.therapist, expires_on=TODAY)
    session = plan(world, by=Job("x"))
    assert move(world, session, "2026-03-05").local_date == TODAY + 3 * DAY


def move(world: World, session: Session, day: str) -> Session:
    starts_at, ends_at = world.at(day, "09:00"), world.at(day, "10:00")
    return services.move_session(session=session, starts_at=starts_at, ends_at=ends_at, by=world.by)


def test_a_co_facilitator_needs_no_credential(asking: World) -> None:
    lead = f.LicenseFactory(therapist__clinic=asking.clinic, credential="LPC").therapist
    asking.block(facilitator=lead, co_facilitator=asking.therapist)
    services.expand(clinic=asking.clinic, today=TODAY, weeks=1, by=Job("x"))
    assert list(Session.objects.values_list("needs_attention", flat=True)) == [""]


# --- weekly blocks -------------------------------------------------------------------------------


def unsaved(world: World, **extra) -> WeeklyBlock:
    given = {"group": world.group, "session_type": world.kind, "facilitator": world.therapist}
    hours = {"weekday": 0, "starts_at": datetime.time(9), "ends_at": datetime.time(10)}
    return WeeklyBlock(**{"clinic": world.clinic, "valid_from": TODAY, **given, **hours, **extra})


def test_a_block_is_entered_with_a_qualified_leader(asking: World) -> None:
    with pytest.raises(Refused) as caught:
        services.add_block(block=unsaved(asking), by=asking.by)
    code, said, _ = refusal(asking, asking.therapist.name)
    assert told(caught) == (code, said, "facilitator")
    assert WeeklyBlock.objects.count() == 0


def test_qualified_on_the_first_date_is_enough(world: World) -> None:
    own = f.LicenseFactory(therapist=world.therapist, expires_on=TODAY + 6 * DAY)
    with pytest.raises(Refused) as caught:
        services.add_block(block=unsaved(world, valid_from=TODAY + DAY), by=world.by)
    assert (caught.value.code, caught.value.field) == ("not_qualified", "facilitator")
    License.objects.filter(pk=own.pk).update(expires_on=TODAY + 7 * DAY)
    assert services.add_block(block=unsaved(world, valid_from=TODAY + DAY), by=world.by).pk


def test_a_block_gets_a_qualified_leader(asking: World) -> None:
    lead = f.LicenseFactory(therapist__clinic=asking.clinic, credential="LPC").therapist
    block = asking.block(facilitator=lead)
    with pytest.raises(Refused) as caught:
        services.change_block(block=block, by=asking.by, facilitator=asking.therapist)
    code, said, _ = refusal(asking, asking.therapist.name)
    assert told(caught) == (code, said, "facilitator")
    stored = WeeklyBlock.objects.get()
    assert (stored.facilitator, stored.version) == (lead, 1)


def test_a_change_of_something_else_is_not_kept_back_by_the_license(asking: World) -> None:
    block = asking.block()
    services.change_block(block=block, by=asking.by, room=f.RoomFactory(clinic=asking.clinic))
    assert WeeklyBlock.objects.get().room != asking.room
