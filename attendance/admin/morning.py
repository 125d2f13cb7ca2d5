"""What the start page asks of somebody this morning: whom to call, which weeks can still be saved.

Each table is a Panel; a person who may act finds the next step as a link in its last column.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Count, F, FilteredRelation, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from attendance.admin.case_panels import RELATED, due, whose
from attendance.compliance.calls import Call, calls_due
from attendance.compliance.last_chances import LastChance, last_chances
from attendance.compliance.rules.ladder import Step
from attendance.compliance.week_notes import BELOW_MINIMUM
from attendance.models import AbsenceRule, Flag
from attendance.models.standards import Severity
from attendance.querysets import FlagQuerySet
from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import hours_and_minutes, week_of
from scheduling.admin.group_seats import last_said
from scheduling.models import WAITING, Group, WaitlistEntry
from scheduling.waiting import unanswered

SHOWN = 10
"""Lines of a table; the rest stands in the queue."""
CALL_BY = datetime.time(9)
QUEUE = "admin:attendance_flag_changelist"
WAITLIST = "admin:scheduling_waitlistentry_changelist"
HALF_WEEK = datetime.timedelta(days=3)
DAY = datetime.timedelta(days=1)


def case_panels_of_today(
    request: Any, rows: FlagQuerySet, clinic: Clinic, now: datetime.datetime
) -> Iterator[Panel]:
    """About these cases: calls, short weeks that can still be repaired, what is overdue."""
    yield calls_panel(request, calls_due(rows, clinic=clinic, now=now), now)
    short = short_this_week(rows, clinic).select_related("episode__patient")
    yield chances_panel(request, last_chances(short, now=now))
    yield overdue_panel(rows, now)


# --- whom to call ----------------------------------------------------------------------------


def calls_panel(request: Any, calls: Sequence[Call], now: datetime.datetime) -> Panel:
    early = timezone.localtime(now).time() < CALL_BY
    return Panel(
        _counted("Call before 9:00 AM" if early else "Still to call today", len(calls)),
        ("Patient", "Why", "How", "Due", "Owner", *_next(request, Can.WORK_FLAGS)),
        [_call(request, call) for call in calls[:SHOWN]],
        empty="Nobody waits for a call now.",
        note=_rest(len(calls)),
    )


def _call(request: Any, call: Call) -> Sequence[object]:
    flag = call.flag
    how = call.step.said(flag.clinic.tz)
    return (
        _patient(flag), flag.sentence, how.removeprefix("Next: ").capitalize(), due(flag),
        whose(flag), *_act(request, Can.WORK_FLAGS, flag, *_verb(call)),
    )  # fmt: skip


def _verb(call: Call) -> tuple[str, str]:
    """Where the step is noted; a welfare check is for a supervisor, from the page of the case."""
    if call.step.step == Step.WELFARE_CHECK:
        return "change", "Decide"
    return "outreach", "Log it"


# --- the last chance -------------------------------------------------------------------------


def short_this_week(rows: FlagQuerySet, clinic: Clinic) -> FlagQuerySet:
    """Cases of hours or days in the clinic week that goes on, or in a standard's own beside it."""
    week = week_of(timezone.localdate(), week_start=clinic.week_starts_on)
    starts = ((week.start - HALF_WEEK).isoformat(), (week.start + HALF_WEEK).isoformat() + "~")
    running = rows.waiting(timezone.localdate()).filter(
        rule__in=BELOW_MINIMUM, evidence_key__range=starts
    )
    return running.loudest_first()


def chances_panel(request: Any, chances: Sequence[LastChance]) -> Panel:
    return Panel(
        _counted("Last chance to repair the week", len(chances)),
        ("Patient", "Missing", "Last chance", "With", *_next(request, Can.BOOK)),
        [_chance(request, one) for one in chances[:SHOWN]],
        empty="No week that goes on is short, as far as is known.",
        note=_said(_then(chances), len(chances)),
    )


def _then(chances: Sequence[LastChance]) -> str:
    """What follows; no free seat, no "then" by which somebody could be booked."""
    if any(chance.plan for chance in chances):
        return "Whoever is not booked by then stays short."
    return "No free seat repairs any of these: find a therapist’s hour, or note why it stays short."


def _chance(request: Any, chance: LastChance) -> Sequence[object]:
    return (
        _patient(chance.flag), "; ".join(_missing(one) for one in chance.missing),
        _until(chance.until), _sessions(chance), *_repairs(request, chance),
    )  # fmt: skip


def _repairs(request: Any, chance: LastChance) -> tuple[str, ...]:
    """To the seats that repair it; without any also to the note why the week stays short."""
    if chance.plan:
        return _act(request, Can.BOOK, chance.flag, "make_ups", "Book")
    find = _act(request, Can.BOOK, chance.flag, "make_ups", "Find an hour")
    note = _act(request, Can.WORK_FLAGS, chance.flag, "week-note", "Note why")
    if not (find and note):
        return find
    return (format_html('<span class="clinic-steps">{} {}</span>', *find, *note),)


def _missing(repair: Any) -> str:
    parts = [hours_and_minutes(repair.minutes_to_go)] if repair.minutes_to_go else []
    if repair.days_to_go:
        parts.append(f"{repair.days_to_go} day{'s' if repair.days_to_go > 1 else ''}")
    return " and ".join(parts)


def _until(until: datetime.datetime | None) -> str:
    if until is None:
        return "no free seat repairs it"
    starts = timezone.localtime(until)
    if starts.date() == timezone.localdate():
        return format_html('<strong class="clinic-late">today</strong> {}', f"{starts:%-I:%M %p}")
    return f"{starts:%a %b %-d, %-I:%M %p}"


def _sessions(chance: LastChance) -> str:
    """ "Group A Wed, Fri (6 sessions)": whose sessions, on which days."""
    titles = dict.fromkeys(one.title for one in chance.plan)
    days = dict.fromkeys(f"{one.local_date:%a}" for one in chance.plan)
    if not titles:
        return ""
    count = len(chance.plan)
    return f"{', '.join(titles)} {', '.join(days)} ({count} session{'s' if count > 1 else ''})"


# --- overdue, papers -------------------------------------------------------------------------


def overdue_panel(rows: FlagQuerySet, now: datetime.datetime) -> Panel:
    found = rows.overdue(now).loudest_first().select_related(*RELATED)
    late = list(found[: SHOWN + 1])
    return Panel(
        _counted("Overdue", min(len(late), SHOWN), more=len(late) > SHOWN),
        ("Case", "About", "Since", "Owner"),
        [(link(one, one.sentence), _about(one), due(one), whose(one)) for one in late[:SHOWN]],
        empty="Nothing is overdue.",
        note=_queue("case=overdue") if len(late) > SHOWN else "",
    )


def authorizations_panel(rows: FlagQuerySet) -> Panel:
    kinds = (AbsenceRule.Kind.AUTHORIZATION_ENDING, AbsenceRule.Kind.CERTIFICATION_DUE)
    found = rows.filter(rule__in=kinds, severity__gte=Severity.WATCH).loudest_first()
    ending = list(found.select_related("episode__patient", "owner"))
    return Panel(
        _counted("Authorizations and certifications ending", len(ending)),
        ("Patient", "What", "Due", "Owner"),
        [(_patient(one), one.sentence, due(one), whose(one)) for one in ending[:SHOWN]],
        empty="None ends within a week.",
        note=_rest(len(ending)),
    )


# --- seats -----------------------------------------------------------------------------------


def seats_panel(request: Any, clinic: Clinic) -> Panel:
    """Each group's seats that nobody holds from today on, and who waits; one statement."""
    kept = Q(seats__ends_on=None) | Q(seats__ends_on__gte=timezone.localdate())
    kept &= Q(seats__seat__lte=F("capacity"))
    waits = Q(waiters__state__in=WAITING)
    expired = unanswered(WaitlistEntry.objects.filter(clinic=clinic)).values("pk")
    rows = list(
        Group.objects.visible_to(request.user)
        .filter(clinic=clinic, active=True)
        .annotate(
            # Joined within the clinic: an index by group alone there is not.
            seats=FilteredRelation("memberships", condition=Q(memberships__clinic=clinic)),
            waiters=FilteredRelation("waitlist", condition=Q(waitlist__clinic=clinic)),
            kept=Count("seats__seat", filter=kept, distinct=True),
            waiting=Count("waiters", filter=waits, distinct=True),
            expired=Count("waiters", filter=Q(waiters__in=expired), distinct=True),
        )
        .order_by("name")
    )  # fmt: skip
    return Panel(
        "Free seats",
        ("Group", "Free", "Members of capacity", "Waiting", *_next(request, Can.BOOK)),
        [
            (
                link(one),
                last_said(one.capacity - one.kept),
                f"{one.kept} of {one.capacity}",
                one.waiting,
                *_enrol(request, one),
            )
            for one in rows
        ],
        empty="No group yet.",
        note=_expired(sum(one.expired for one in rows)),
    )


def _expired(number: int) -> str:
    """That offers of a seat have ended, and nobody was called since."""
    if not number:
        return ""
    said = "1 offer of a seat" if number == 1 else f"{number} offers of seats"
    waitlist = anchor(f"{reverse(WAITLIST)}?show=expired", "Call again, or offer the next seat")
    ended = format_html("<strong>{} ended without an answer.</strong>", said)
    return format_html("{} {}.", ended, waitlist)


def _enrol(request: Any, group: Any) -> tuple[str, ...]:
    """The way to a free seat: first to those who wait for one (R13). Into a full group somebody
    answers for it on its page."""
    if not request.user.has_perm(Can.BOOK):
        return ()
    free = group.kept < group.capacity
    if group.waiting:
        waits = f"{reverse(WAITLIST)}?group__id__exact={group.pk}"
        return (anchor(waits, "Offer" if free else "Waitlist"),)
    if not free:
        return ("",)
    return (anchor(reverse("admin:scheduling_group_enrol", args=[group.pk]), "Enrol"),)


# --- words -----------------------------------------------------------------------------------


def _counted(title: str, count: int, *, more: bool = False) -> str:
    return f"{title}: {count}{' and more' if more else ''}" if count else title


def _rest(count: int) -> str:
    return format_html("{} of {}. {}", SHOWN, count, _queue("")) if count > SHOWN else ""


def _said(note: str, count: int) -> str:
    return format_html("{} {}", note, _rest(count)) if count else ""


def _queue(query: str) -> str:
    address = reverse(QUEUE)
    return anchor(f"{address}?{query}" if query else address, "All in the queue")


def _patient(flag: Flag) -> str:
    assert flag.episode is not None
    return link(flag, flag.episode.patient)


def _about(flag: Flag) -> str:
    patient = flag.episode.patient if flag.episode else None
    return str(patient or flag.session or flag.group or flag.therapist)


def _next(request: Any, can: Can) -> tuple[str, ...]:
    return ("Next",) if request.user.has_perm(can) else ()


def _act(request: Any, can: Can, flag: Flag, verb: str, text: str) -> tuple[str, ...]:
    if not request.user.has_perm(can):
        return ()
    address = reverse(f"admin:attendance_flag_{verb}", args=[flag.pk])
    return (format_html('<span class="clinic-next">{}</span>', anchor(address, text)),)
