"""The week calendar as somebody opens it, and sessions for it."""

from __future__ import annotations

import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone

from scheduling.models import Session
from scheduling.services import add_closure
from tests import factories as f
from tests.admin import Desk
from tests.scheduling.conftest import World

MON, TUE, WED = "2026-03-02", "2026-03-03", "2026-03-04"
WEEK = reverse("admin:scheduling_session_week")


def week(at: Desk, **query: Any) -> Any:
    response = at.client.get(WEEK, query)
    assert response.status_code == 200
    return response


def said(page: Any) -> dict[str, dict[str, list[str]]]:
    """By row and day: what stands there, in the clinic's wall time as on the page."""
    with timezone.override(page.context["clinic"].tz):
        return {
            name: {
                f"{day.date:%a}": [_item(one) for one in cell.items]
                for cell, day in cells
                if cell.items
            }
            for name, cells in page.context["rows"]
        }


def _item(item: Any) -> str:
    if hasattr(item, "word"):
        return item.word if item.all_day else f"{item.times} {item.word}"
    states = [one.state_said for one in item.entries]
    parts = [item.times, item.title, item.facts, item.seats, *states]
    return ", ".join(part for part in parts if part)


def group_day(world: World, day: str = TUE, **extra: Any) -> list[Session]:
    """Three sessions of the group with breaks between them."""
    times = (("09:00", "10:00"), ("10:10", "11:10"), ("11:20", "12:20"))
    given = {"therapist": world.therapist, "room": world.room, "group": world.group, **extra}
    return [
        world.session(day, *one, capacity=8, session_type=f.SessionTypeFactory(clinic=world.clinic),
                      **given)
        for one in times
    ]  # fmt: skip


def individual(world: World, day: str = TUE, starts: str = "14:00", **extra: Any) -> Session:
    ends = f"{int(starts[:2]):02}:50"
    return world.session(day, starts, ends, capacity=1, **extra)


def seated(world: World, session: Session, count: int = 2) -> list[Any]:
    return [f.booking(session, world.episode(), seat) for seat in range(1, count + 1)]


def closed(world: World, day: str, **extra: Any) -> None:
    date = datetime.date.fromisoformat(day)
    add_closure(clinic=world.clinic, starts_on=date, ends_on=date, by=world.by, **extra)


def days(page: Any) -> list[str]:
    return [f"{day.date:%a %b} {day.date.day}" for day in page.context["days"]]
