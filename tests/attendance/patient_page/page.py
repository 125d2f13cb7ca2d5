"""The patient's page as somebody opens it."""

from __future__ import annotations

import datetime
from typing import Any

from attendance.models import Flag
from patients.models import Episode
from tests.admin import Desk
from tests.attendance.house import MON, House

DAY = datetime.timedelta(days=1)
WEEK = 7 * DAY
TODAY = MON + WEEK


def panels(at: Desk, row: Episode) -> dict[str, Any]:
    answer = at.open(row, "change")
    assert answer.status_code == 200
    return {panel.title: panel for panel in answer.context["panels_above"]}


def facts(at: Desk, row: Episode) -> dict[str, str]:
    return {term: str(said) for term, said in panels(at, row)[str(row.patient)].facts}


def case(house: House, row: Episode, **extra: Any) -> Flag:
    given = {"evidence_key": "2026-03-02", "state": "open", **extra}
    flag: Flag = Flag.objects.create(
        clinic=house.clinic, episode=row, rule=2, subject_type=1, subject_id=row.pk, severity=3,
        sentence="Missed Monday without a call.", owner_role="coordinator", opened_for=MON,
        due_at=house.at(TODAY, "17:00"), **given,
    )  # fmt: skip
    return flag
