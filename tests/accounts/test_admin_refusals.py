"""What only the database notices, as in a race, becomes a sentence at the form."""

from __future__ import annotations

import datetime

import pytest
from django.db import IntegrityError
from django.db.models import Model

from iop_clinic.accounts.acting import Busy
from patients.admin.coverage import AuthorizationAdmin
from patients.models import Episode, Payer
from patients.models.coverage import Authorization
from scheduling.models import Group, Room, Session
from tests import factories
from tests.admin import Desk, desk


@pytest.fixture
def coordinator(db: None) -> Desk:
    return desk(factories.ClinicFactory())


@pytest.fixture
def unchecked(monkeypatch) -> None:
    """As if somebody else's row came between the form's look and the insert."""
    monkeypatch.setattr(Model, "validate_constraints", lambda row, exclude=None: None)


def clinic_of(at: Desk):
    return at.user.memberships.get().clinic


def test_a_name_taken_in_the_same_moment_is_refused_with_the_input_kept(coordinator, unchecked):
    factories.RoomFactory(clinic=clinic_of(coordinator), name="Oak")
    answer = coordinator.fill(Room, "add", name="oak", seats=7)
    assert answer.refusal == "The clinic already has a room of this name."
    assert 'value="7"' in answer.html
    assert answer.sentences == []
    assert Room.objects.count() == 1


def test_a_capacity_of_sixteen_stops_at_the_database_too(coordinator, unchecked):
    program = factories.ProgramFactory(clinic=clinic_of(coordinator))
    answer = coordinator.fill(Group, "add", name="Birch", program=program, capacity=16)
    assert answer.refusal == "A group has 8 to 15 seats."
    assert not Group.objects.exists()


def test_rows_of_another_clinic_cannot_be_chosen(coordinator):
    stranger = factories.ProgramFactory()
    answer = coordinator.fill(Group, "add", name="Birch", program=stranger)
    assert list(answer.errors) == ["program"]
    assert not Group.objects.exists()


def test_rows_that_stay_locked_ask_to_try_again(coordinator, monkeypatch):
    def locked(*args: object, **kwargs: object) -> None:
        raise Busy("Someone else is changing the same rows. Try again.")

    monkeypatch.setattr(AuthorizationAdmin, "enter", locked)
    clinic = clinic_of(coordinator)
    given = {
        "episode": factories.admitted(clinic),
        "payer": factories.PayerFactory(clinic=clinic),
        "number": "A-1",
        "units": 3,
        "starts_on": datetime.date(2026, 3, 2),
        "ends_on": datetime.date(2026, 3, 9),
    }
    answer = coordinator.fill(Authorization, "add", **given)
    assert answer.refusal == "Someone else is changing the same rows. Try again."
    assert not Authorization.objects.exists()


def test_an_error_that_names_no_rule_is_not_hidden(coordinator, monkeypatch):
    def broken(*args: object, **kwargs: object) -> None:
        raise IntegrityError("something else")

    monkeypatch.setattr("patients.admin.people.PayerAdmin.enter", broken)
    with pytest.raises(IntegrityError, match="something else"):
        coordinator.fill(Payer, "add", name="Aetna")


def test_dates_that_end_before_they_start_are_refused_with_the_input_kept(coordinator):
    clinic = clinic_of(coordinator)
    given = {
        "episode": factories.admitted(clinic),
        "payer": factories.PayerFactory(clinic=clinic),
        "number": "A-1",
        "units": 3,
        "starts_on": datetime.date(2026, 3, 9),
        "ends_on": datetime.date(2026, 3, 2),
    }
    answer = coordinator.fill(Authorization, "add", **given)
    assert answer.refusal == "The authorization ends before it starts."
    assert 'value="A-1"' in answer.html
    assert not Authorization.objects.exists()


@pytest.mark.parametrize("key", ["abc", "\0", "9" * 30, "-1"])
def test_a_key_that_is_none_is_nothing_chosen(coordinator, key):
    assert coordinator.open(Episode, "add", patient=key).status_code == 200
    answer = coordinator.fill(Session, "plan", episode=key)
    assert answer.status == 200
    assert "episode" in answer.errors
