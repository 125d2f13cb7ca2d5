"""Tables of what a weekly block would plan, or what a change of it would do, before it is saved."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import replace

from django.utils import timezone
from django.utils.html import format_html

from attendance.admin.block_trials import Line, NewBlocks, Told, Trial
from attendance.admin.deciding_words import losses_panels
from attendance.admin.groups import reached_panel
from iop_clinic.accounts.admin.panels import Panel, link
from scheduling.admin.wording import session_when
from scheduling.models import Booking

PLANNED_WEEKS = (
    "Of the weeks that are planned: a session cancelled in one of them lowers what is asked of it. "
    "Later weeks are asked for in full."
)


def new_panels(new: NewBlocks) -> Iterator[Panel]:
    """The sessions of the next weeks, what somebody must look at, what a week reaches then."""
    yield Panel(
        f"{_counted(new.sessions)} in the next 4 weeks",
        ("Session", "Led by", "Room", "Booked", "To look at"),
        [
            (_when(one), _led(one), one.room, f"{one.booked} of {one.seats}", _look(one))
            for one in new.sessions
        ],
        empty="None yet: they begin later. Sessions are planned 4 weeks ahead.",
    )
    yield from _findings(new.findings)
    if new.template is not None:
        yield reached_panel(new.template)


def change_panels(trial: Trial) -> Iterator[Panel]:
    """What changes, what is cancelled, who is not expected any more, whose weeks lose minutes or
    fall short, what stays and why."""
    moved = [one for one in trial.lines if one.before and one.after.live and _differs(one)]
    gone = [one for one in trial.lines if one.before and one.before.live and not one.after.live]
    new = [one for one in trial.lines if one.before is None]
    if moved:
        headers = ("Session", "Until now", "From now on", "To look at")
        rows = [_moved(one) for one in moved]
        yield Panel(f"{_counted(moved)} to change", headers, rows)
    if new:
        rows = [(_when(one.after), _led(one.after), _look(one.after)) for one in new]
        yield Panel(f"{_counted(new)} more", ("Session", "Led by", "To look at"), rows)
    if gone:
        rows = [(link(one.session, _before(one)), one.after.reason) for one in gone]
        yield Panel(f"{_counted(gone)} to cancel", ("Session", "Why"), rows)
    if trial.lost:
        yield _lost_panel(trial.lost)
    if trial.losses:
        short, *others = losses_panels(trial.losses)
        yield replace(short, note=PLANNED_WEEKS)
        yield from others
    yield _staying(trial)
    yield from _findings(trial.refitted.findings)


def _staying(trial: Trial) -> Panel:
    rows = [
        (link(one.session, _before(one)), _why_staying(one, trial))
        for one in trial.lines
        if one.before and not (one.before.live and (not one.after.live or _differs(one)))
    ]
    note = "What has begun stays as it was."
    return Panel("What stays", ("Session", "Why"), rows, empty="", note=note)


def _why_staying(one: Line, trial: Trial) -> str:
    if not one.after.live:
        return f"It is cancelled: {one.after.reason}"
    if one.session.pk in trial.kept:
        return "It was moved by hand"
    return "This change does not touch it"


def _lost_panel(lost: Sequence[Booking]) -> Panel:
    rows = [(link(one.patient), link(one, session_when(one.session)), _left(one)) for one in lost]
    return Panel("Who leaves a seat", ("Patient", "Session", "Why"), rows)


def _left(row: Booking) -> str:
    if row.state == Booking.State.RELEASED:
        return "Has called in absent for the new day"
    return row.withdrawn_reason


def license_panels(said: str) -> Iterator[Panel]:
    """That the leader's license ends before the block does."""
    if said:
        yield Panel("License", ("What",), [(said,)])


def _findings(findings: Sequence[str]) -> Iterator[Panel]:
    if findings:
        yield Panel("To look at", ("What",), [(one,) for one in findings])


def _moved(one: Line) -> tuple[object, ...]:
    assert one.before is not None
    was, now = _parts(one.before), _parts(one.after)
    differing = [place for place, part in enumerate(was) if part != now[place]]
    return (
        link(one.session, _before(one)),
        "; ".join(was[place] for place in differing),
        "; ".join(now[place] for place in differing),
        _look(one.after),
    )


def _differs(one: Line) -> bool:
    return one.before is not None and _parts(one.before) != _parts(one.after)


def _parts(told: Told) -> tuple[str, ...]:
    return _when(told), told.kind, _led(told), told.room


def _before(one: Line) -> str:
    told = one.before or one.after
    return _day(told.starts_at)


def _day(moment: datetime.datetime) -> str:
    return f"{timezone.localtime(moment):%a %b %-d}"


def _when(told: Told) -> str:
    starts, ends = timezone.localtime(told.starts_at), timezone.localtime(told.ends_at)
    return f"{starts:%a %b %-d, %-I:%M %p} – {ends:%-I:%M %p}"


def _led(told: Told) -> str:
    return ", ".join(told.leaders) or "nobody"


def _look(told: Told) -> str:
    said = told.look if told.live else f"Cancelled: {told.reason}"
    return format_html('<strong class="clinic-late">{}</strong>', said) if said else ""


def _counted(rows: Sequence[object]) -> str:
    return "1 session" if len(rows) == 1 else f"{len(rows)} sessions"
