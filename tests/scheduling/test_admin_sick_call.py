"""The sick call from the list of calls: whoever answers the phone types a name."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest
import time_machine

from iop_clinic.accounts.roles import Role
from patients.models import Episode
from scheduling.models import Booking, CallIn
from scheduling.services import enrol, expand
from tests import factories
from tests.admin import Answer, Desk, desk, url
from tests.scheduling.conftest import World, build

TODAY, NEXT = datetime.date(2026, 3, 2), datetime.date(2026, 3, 9)


@pytest.fixture
def world(db: None) -> Iterator[World]:
    """A group that meets on Mondays at nine, with a member in it."""
    world = build()
    world.block()
    with time_machine.travel("2026-03-02T12:00Z", tick=False):
        expand(clinic=world.clinic, today=TODAY, by=world.by)
        enrol(episode=world.episode(), group=world.group, starts_on=TODAY, by=world.by)
        yield world


def take(at: Desk, episode: object) -> Answer:
    return at.fill(
        CallIn, "call-in", episode=episode, from_date=NEXT, to_date=NEXT, reason="illness",
        notified_at=("2026-03-02", "07:00"),
    )  # fmt: skip


def test_the_front_desk_takes_a_call_by_the_patients_name(world):
    booking = Booking.objects.get(session__local_date=NEXT)
    answer = take(desk(world.clinic, Role.FRONT_DESK), booking.episode)
    assert answer.location == url(CallIn)
    assert answer.sentences[0].startswith("Noted for Mon Mar 9: 1 booking released.")
    booking.refresh_from_db()
    assert (booking.state, CallIn.objects.get().episode) == ("released", booking.episode)


def test_the_name_is_asked_for_first(world):
    form = desk(world.clinic).client.get(url(CallIn, "call-in")).context["form"]
    assert list(form.fields)[:3] == ["episode", "from_date", "to_date"]


def test_an_address_may_name_a_day_and_no_instant(world):
    told = {"from_date": NEXT, "notified_at": "2026-03-02 07:00"}
    answer = desk(world.clinic).open(CallIn, "call-in", **told)
    first, at = (answer.context["form"][name].value() for name in told)
    assert (answer.status_code, first) == (200, NEXT)
    assert at == datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)


def test_a_patient_who_is_not_in_treatment_is_named_at_the_field(world):
    strange = world.episode()
    strange.state, strange.admitted_on = "referred", None
    strange.save()
    answer = take(desk(world.clinic), strange)
    assert list(answer.errors) == ["from_date"]
    assert not CallIn.objects.exists()


def test_another_clinics_patient_is_no_choice(world):
    other = build().episode()
    answer = take(desk(world.clinic), other)
    assert list(answer.errors) == ["episode"]
    assert not CallIn.objects.exists()


@pytest.mark.parametrize(
    ("table", "offered"),
    [
        ("callin", ["admitted", "on_hold"]),
        ("groupmembership", ["admitted", "on_hold"]),
        ("waitlistentry", ["admitted", "on_hold", "referred"]),
        ("booking", ["admitted", "discharged", "on_hold", "referred"]),
    ],
)
def test_search_boxes_offer_whom_it_may_concern(world, table, offered):
    left = {"discharged_on": TODAY, "discharge_reason": "completed"}
    factories.admitted(world.clinic)
    Episode.objects.filter(pk=world.episode().pk).update(state="on_hold")
    Episode.objects.filter(pk=world.episode().pk).update(state="discharged", **left)
    factories.EpisodeFactory(patient__clinic=world.clinic)
    box = {"app_label": "scheduling", "model_name": table, "field_name": "episode", "term": ""}
    found = desk(world.clinic).client.post("/admin/autocomplete/", box).json()["results"]
    keys = [row["id"] for row in found]
    states = Episode.objects.filter(pk__in=keys).values_list("state", flat=True)
    assert sorted(set(states)) == offered


def test_a_call_in_is_written_with_its_hyphen(world):
    html = desk(world.clinic).open(CallIn).content.decode()
    assert "Call-ins" in html
    assert "call ins" not in html.lower()
