"""Open cases as lines of a table, on the pages of what they are about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attendance.admin.case_panels import due, whose
from attendance.admin.judged_by import RuleBook
from attendance.models import Flag
from iop_clinic.accounts.admin.panels import Panel, link


def cases_panel(request: Any, clinic_id: int, **of: Any) -> Iterator[Panel]:
    """Open cases about a group or a therapist, when there are any; two statements at most."""
    rows = Flag.objects.visible_to(request.user).filter(clinic=clinic_id, **of).open()
    found = list(rows.select_related("owner").loudest_first())
    if not found:
        return
    book = RuleBook(clinic_id, (one.rule for one in found))
    yield Panel(
        f"Open cases: {len(found)}",
        ("Case", "Rule", "Due", "Owner"),
        [
            (link(one, one.sentence), book.link(one.rule, one.opened_for), due(one), whose(one))
            for one in found
        ],
    )
