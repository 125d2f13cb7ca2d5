"""Verbs that are run once more after a deadlock, or come to a row that somebody took away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from iop_clinic.accounts.admin.views import ServiceView
from scheduling.admin.sessions import CancelForm
from scheduling.models import Closure, Session
from scheduling.services import take_back_closure
from tests.scheduling.admin.planned import NEXT, planned


class Deadlock(Exception):
    sqlstate = "40P01"


def first_in_vain(run: Callable[..., str]) -> Callable[..., str]:
    """Does its work each time, and then is chosen as the victim of a deadlock the first time."""
    times: list[int] = []

    def once_more(form: Any) -> str:
        said = run(form)
        times.append(1)
        if len(times) == 1:
            raise OperationalError from Deadlock()
        return said

    return once_more


@pytest.fixture
def closure(world, coordinator) -> Closure:
    coordinator.save(coordinator.look(Closure, "new", reason="Snow", starts_on=NEXT, ends_on=NEXT))
    return Closure.objects.get()


def test_after_a_deadlock_a_verb_starts_from_the_row_as_it_was(world, coordinator, monkeypatch):
    monkeypatch.setattr(CancelForm, "run", first_in_vain(CancelForm.run))
    version = planned(world).version
    assert coordinator.fill(planned(world), "cancel", reason="snow").status == 302
    assert (planned(world).state, planned(world).version) == ("cancelled", version + 1)


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Between what somebody looked at and what they save."""
    hold = ServiceView._run_alone

    def late(view: Any, form: Any, **by: Any) -> str:
        happens()
        return str(hold(view, form, **by))

    monkeypatch.setattr(ServiceView, "_run_alone", late)


def test_who_takes_back_what_somebody_took_back_is_told(closure, coordinator, monkeypatch):
    ahead = coordinator.look(closure, "take-back")
    meanwhile(monkeypatch, lambda: take_back_closure(closure=closure, by=coordinator.user))
    assert coordinator.user.name in coordinator.save(ahead).refusal


def test_who_saves_what_somebody_took_away_finds_nothing(closure, coordinator, monkeypatch):
    ahead = coordinator.look(closure, "take-back")
    Session.objects.update(closure=None)
    meanwhile(monkeypatch, lambda: Closure.objects.filter(pk=closure.pk).delete())
    assert coordinator.save(ahead).status == 404
