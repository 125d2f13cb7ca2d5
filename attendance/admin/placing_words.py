"""Proposals in words: what a place gives, when, from when, and why each other group is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attendance.admin.feasibility import slack_meaning, slack_said
from attendance.compliance.placement import Placement, Proposal
from attendance.compliance.placement_facts import StandingHour
from attendance.compliance.rules.feasibility import week_slack
from iop_clinic.accounts.admin.panels import Panel, link
from iop_clinic.accounts.models import Weekday
from iop_clinic.accounts.weeks import clock_time, full_date, hours_and_minutes
from scheduling.admin.weekly_template import in_force, template_said
from scheduling.openings import Opening


@dataclass(frozen=True, slots=True)
class ProposalCard:
    """A proposal as it is shown: its name, and terms with what is said of them."""

    key: str
    name: str
    facts: Sequence[tuple[str, object]]


def cards(found: Placement) -> list[ProposalCard]:
    return [ProposalCard(one.key, _name(one), list(_facts(found, one))) for one in found.proposals]


def _name(one: Proposal) -> str:
    """ "Group A and 3 individual hours"."""
    parts = [str(part.group) for part in one.groups]
    number = len(one.hours)
    if number:
        parts.append("1 individual hour" if number == 1 else f"{number} individual hours")
    return " and ".join(parts)


def _facts(found: Placement, one: Proposal) -> Iterator[tuple[str, object]]:
    week = one.week
    slack = week_slack(week)
    asked = f"{hours_and_minutes(week.at_least)} of {hours_and_minutes(week.minimum)}"
    meaning = slack_meaning(slack, "week")
    yield "A full week", f"{asked}, {slack_said(slack)}{f': {meaning}' if meaning else ''}"
    yield "Days", f"{week.days_qualifying} of {week.days_required}"
    for part in one.groups:
        blocks = in_force(found.blocks[part.group.pk], part.first or one.first)
        yield str(part.group), f"{template_said(blocks)}; {_seat(part)}"
    if one.hours:
        yield "Individual hours", "; ".join(_hours(one.hours))


def _seat(part: Opening) -> str:
    seats = "1 seat free" if part.free_seats == 1 else f"{part.free_seats} seats free"
    if part.first is None:
        return seats
    said = f"from {full_date(part.first)}, {seats}"
    return f"{said}. {part.out_before} To begin earlier, enrol there" if part.out_before else said


def _hours(hours: Sequence[StandingHour]) -> Iterator[str]:
    """ "Monday, Wednesday 1:00 PM – 2:00 PM with Dana Lee (Office 2)"."""
    together: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in hours:
        times = f"{clock_time(one.slot.starts)} – {clock_time(one.slot.ends)}"
        day = Weekday(one.slot.weekday).label
        together[times, one.therapist.name, str(one.room)].append(day)
    for (times, name, room), days in together.items():
        yield f"{', '.join(days)} {times} with {name} ({room})"


def reasons_panel(found: Placement) -> Panel:
    number = len(found.reasons)
    return Panel(
        f"Why not the other {number} groups" if number > 1 else "Why not the other group",
        ("Group", "Why not"),
        [(link(group), why) for group, why in found.reasons],
        empty="The clinic has no other group.",
        folded=len(found.proposals) > 0,
    )
