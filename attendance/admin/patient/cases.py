"""The patient's cases, and what was tried to reach the patient."""

from __future__ import annotations

from collections.abc import Iterator

from attendance.admin.case_panels import due, when, whose
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.models import User
from patients.models import Episode

SHOWN = 10


def open_cases(row: Episode, user: User) -> Panel:
    """The loudest first; one statement."""
    flags = row.flags.visible_to(user).open().select_related("owner").loudest_first()
    return Panel(
        "Open cases",
        ("Case", "Severity", "State", "Owner", "Due"),
        [
            (link(one), one.get_severity_display(), one.get_state_display(), whose(one), due(one))
            for one in flags
        ],
        empty="No open case.",
    )


def outreach_and_settled(row: Episode, user: User) -> Iterator[Panel]:
    """The latest attempts, and the cases that are settled; two statements."""
    tried = row.outreach.visible_to(user).select_related("attempted_by", "flag")
    yield Panel(
        "Outreach",
        ("When", "How", "Result", "By", "Note", "Case"),
        [
            (when(one.attempted_at), one.get_method_display(), one.get_result_display(),
             one.attempted_by, one.note, link(one.flag))
            for one in tried[:SHOWN]
        ],
        empty="Nobody has tried to reach the patient.",
    )  # fmt: skip
    settled = row.flags.visible_to(user).settled().order_by("-closed_at", "-pk")
    cases = [
        (link(one), one.get_outcome_display() or one.get_state_display(), when(one.closed_at))
        for one in settled[:SHOWN]
    ]
    if cases:
        headers = ("Case", "Outcome", "Closed")
        yield Panel("Settled cases", headers, cases, note=f"At most the last {SHOWN}.", folded=True)
