"""What the pages say of somebody who waits: their place, what was tried, the next step."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from iop_clinic.accounts.admin.panels import Panel, link, verb_link
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, long_date, long_moment
from scheduling.admin.group_seats import Seats, held_by_group
from scheduling.models import (
    WAITING,
    Group,
    GroupMembership,
    WaitlistEntry,
    WaitlistOffer,
    WaitlistStep,
)
from scheduling.rules import Stay, free_from

SOON = datetime.timedelta(days=14)
"""A seat that is free only later is not offered yet: an offer stands for so long at most."""
Answer, State = WaitlistOffer.Answer, WaitlistEntry.State


def with_steps(entries: QuerySet[WaitlistEntry]) -> QuerySet[Any]:
    """Entries with their last offer and the last try to reach the patient; no statement more."""
    same = {"clinic": OuterRef("clinic"), "entry": OuterRef("pk")}
    offers = WaitlistOffer.objects.filter(**same).order_by("-made_at", "-pk")
    steps = WaitlistStep.objects.filter(**same).order_by("-noted_at", "-pk")
    offer = JSONObject(answer="answer", first="starts_on", until="expires_at", at="answered_at")
    step = JSONObject(method="method", result="result", at="noted_at")
    return entries.annotate(
        last_offer=Subquery(offers.values(told=offer)[:1]),
        last_tried=Subquery(steps.values(told=step)[:1]),
    )


def offer_said(row: Any) -> str:
    """ "From Mar 9, 2026, answer by Wed Mar 4, 5:00 PM" of an open offer."""
    until = _moment(row.last_offer["until"])
    return f"From {full_date(_first_day(row))}, answer by {long_moment(until)}"


def _first_day(row: Any) -> datetime.date:
    return datetime.date.fromisoformat(row.last_offer["first"])


def is_offered(row: Any) -> bool:
    return row.state == State.OFFERED and row.last_offer is not None


def so_far(row: Any) -> str:
    """The open offer; or else what became of the last one, and the last try."""
    if is_offered(row):
        return offer_said(row)
    said = []
    if row.last_offer is not None and row.last_offer["answer"] != Answer.OPEN:
        answer = Answer(row.last_offer["answer"]).label.lower()
        said.append(f"offer {answer} {long_date(_moment(row.last_offer['at']))}")
    if row.last_tried is not None:
        said.append(f"{_tried(row.last_tried)}, {long_date(_moment(row.last_tried['at']))}")
    return "; ".join(said)[:1].upper() + "; ".join(said)[1:]


def _tried(told: dict[str, str]) -> str:
    return str(WaitlistStep(method=told["method"], result=told["result"])).lower()


def _moment(text: str) -> datetime.datetime:
    return timezone.localtime(datetime.datetime.fromisoformat(text))


# --- the list ------------------------------------------------------------------------------------


def tell_waiting(request: Any, rows: Sequence[Any]) -> None:
    """The place in order and the free seats of entries on a list; two statements."""
    groups = list({row.group_id: row.group for row in rows}.values())
    held, today = held_by_group(request.user, groups, timezone.localdate()), timezone.localdate()
    lines = WaitlistEntry.objects.visible_to(request.user).filter(
        group__in=groups, state__in=WAITING
    )
    in_line: defaultdict[int, list[Any]] = defaultdict(list)
    for one in with_steps(lines).order_by("added_at", "pk"):
        in_line[one.group_id].append(one)
    for row in rows:
        others, seats = in_line[row.group_id], held[row.group_id]
        row.place = next((n for n, one in enumerate(others, 1) if one.pk == row.pk), None)
        row.free = Seats.of(row.group, seats, today).free
        row.free_from = _free_from(row.group, seats, others)
        row.is_next = row.pk == _next_in_line(others)


def _next_in_line(waiting: Sequence[Any]) -> int | None:
    return next((one.pk for one in waiting if one.state == State.WAITING), None)


def _free_from(
    group: Group, held: Sequence[GroupMembership], waiting: Sequence[Any]
) -> datetime.date | None:
    """From when on a seat is free that nobody holds and that is not offered."""
    stays = [Stay(one.seat, one.starts_on, one.ends_on) for one in held if not one.overflow_reason]
    stays += [Stay(0, _first_day(one), None) for one in waiting if is_offered(one)]
    return free_from(stays, group.capacity, timezone.localdate())


def free_said(row: Any) -> str:
    """ "2", or "from Mar 9, 2026" of a group that is full until then."""
    if row.free or row.free_from is None or not row.waits:
        return str(row.free)
    return f"from {full_date(row.free_from)}"


def next_step(row: Any) -> str:
    """What is to be done now, for who may: note the answer, or ask whoever is next."""
    if is_offered(row):
        return _steps(row, ("accept", "Accept"), ("decline", "Decline"))
    if row.is_next and row.free_from and row.free_from <= timezone.localdate() + SOON:
        return _steps(row, ("offer", "Offer the seat"))
    return ""


def _steps(row: Any, *verbs: tuple[str, str]) -> str:
    links = ((verb_link(row, verb, text),) for verb, text in verbs)
    steps = format_html_join(" ", '<span class="clinic-next">{}</span>', links)
    return format_html('<span class="clinic-steps">{}</span>', steps)


# --- the page of a group -------------------------------------------------------------------------


def waitlist_panel(request: Any, row: Any) -> Panel:
    """Who waits, in order, with the next step; one statement. The row knows who has its seats."""
    entries = with_steps(row.waitlist.visible_to(request.user).filter(state__in=WAITING))
    waiting = list(entries.select_related("episode__patient").order_by("added_at", "pk"))
    may = request.user.may(Can.BOOK, row.clinic_id) and row.active
    return Panel(
        f"Waiting for a seat: {len(waiting)}" if waiting else "Waiting for a seat",
        ("No.", "Patient", "Since", "State", "So far", "Note", *(("Next",) if may else ())),
        [tuple(line) for line in _lines(row, waiting, may=may)],
        empty="Nobody waits.",
    )


def _lines(group: Any, waiting: Sequence[Any], *, may: bool) -> Iterator[Iterator[object]]:
    free = _free_from(group, group.held, waiting)
    for place, one in enumerate(waiting, 1):
        one.is_next, one.free_from = one.pk == _next_in_line(waiting), free
        yield _line(place, one, may=may)


def _line(place: int, one: Any, *, may: bool) -> Iterator[object]:
    yield place
    yield link(one, one.episode.patient)
    yield full_date(timezone.localdate(one.added_at))
    yield one.get_state_display()
    yield so_far(one)
    yield one.note
    if may:
        yield next_step(one)


# --- the page of one who waits -------------------------------------------------------------------


def entry_panels(request: Any, row: WaitlistEntry) -> Iterator[Panel]:
    """Offers, and every try to reach the patient, newest first; two statements."""
    offers = row.offers.visible_to(request.user).select_related("made_by")
    yield Panel(
        "Offers",
        ("First day", "Made", "By", "Stands until", "Answer", "Reason"),
        [
            (
                full_date(one.starts_on), _when(one.made_at), one.made_by,
                _when(one.expires_at), _answer(one), one.reason,
            )
            for one in offers.order_by("-made_at", "-pk")
        ],
        empty="No seat was offered yet.",
    )  # fmt: skip
    steps = row.steps.visible_to(request.user).select_related("noted_by")
    yield Panel(
        "What was tried",
        ("When", "What", "Note", "By"),
        [
            (_when(one.noted_at), str(one), one.note, one.noted_by)
            for one in steps.order_by("-noted_at", "-pk")
        ],
        empty="Nobody called yet.",
    )


def _answer(one: WaitlistOffer) -> str:
    if one.answered_at is None:
        return one.get_answer_display()
    return f"{one.get_answer_display()}, {_when(one.answered_at)}"


def _when(at: datetime.datetime) -> str:
    return long_moment(timezone.localtime(at))
