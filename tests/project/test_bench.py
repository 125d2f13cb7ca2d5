"""The bench's bare views answer what the API answers: or they would be no measure of it."""

from __future__ import annotations

import pytest

from tests.bench import rest


@pytest.mark.django_db
def test_the_bare_views_answer_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "ROUNDS", 1)
    lines = rest.run()  # it compares the answers itself
    assert [line.split("  ")[0].strip() for line in lines if rest.BARE.strip() not in line] == [
        "roster of 12, one PATCH",
        "session with its roster",
        "a day of 10 sessions",
        "a facility's day, 100 booked",
        "one booking",
    ]
