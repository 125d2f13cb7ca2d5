"""What this floor adds to therapists: caseload, licenses that end, time off, what they lead.

Whoever sees only their own rows is told these of themselves alone: a part of a colleague's caseload
would look like all of it.
"""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from attendance.admin.case_lines import cases_panel
from attendance.admin.judged_by import rules_today
from attendance.admin.patient.head import weeks_said
from attendance.compliance.template_weeks import led_minutes
from attendance.models import AbsenceRule
from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.models import License, Therapist
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, hours_and_minutes
from patients.models import Episode
from scheduling.admin.group_seats import template_blocks
from scheduling.admin.leaders import may_lead_panel
from scheduling.admin.session_lines import HEADERS, next_sessions, seen, session_line
from scheduling.admin.weekly_template import in_force, template_said
from scheduling.admin.wording import places_linked
from scheduling.models import SessionStaff, TimeOff, WeeklyBlock

Kind = AbsenceRule.Kind
IN_TREATMENT = (Episode.State.ADMITTED, Episode.State.ON_HOLD)
SHOWN = 10


# --- the list ------------------------------------------------------------------------------------


def tell_therapists(request: Any, rows: Sequence[Any]) -> None:
    """For a page of the list; five statements."""
    today = timezone.localdate()
    rules = rules_today(request.user.working_clinic_id, Kind.CASELOAD, Kind.LICENSE_ENDING)
    counted, led = _counted(request, rows, today), _led(request, rows, today)
    licenses, away = _licenses(request, rows), _away(request, rows)
    for row in rows:
        own = may_see(request, row)
        row.told_caseload = _caseload(row, counted[row.pk], rules) if own else ""
        row.told_led = hours_and_minutes(led_minutes(led[row.pk])) if own else ""
        row.told_licenses = _licenses_said(licenses[row.pk], rules, today)
        row.told_away = format_html_join("; ", "{}", ((away_said(one),) for one in away[row.pk]))


@admin.display(description="Caseload")
def caseload(row: Any) -> str:
    return str(row.told_caseload)


@admin.display(description="Licenses")
def licenses(row: Any) -> str:
    return str(row.told_licenses)


@admin.display(description="Time off")
def time_off(row: Any) -> str:
    return str(row.told_away)


@admin.display(description="Leads a week")
def leads(row: Any) -> str:
    return str(row.told_led)


COLUMNS = ("name", "credentials", caseload, leads, licenses, time_off, "active")


def may_see(request: Any, row: Therapist) -> bool:
    """Whether the person sees all of what is this therapist's."""
    user = request.user
    return row.clinic_id in user.sight.whole_clinics or row.pk in user.sight.therapist_ids


def in_treatment(request: Any, today: datetime.date) -> Any:
    rows = Episode.objects.visible_to(request.user)
    return rows.filter(state__in=IN_TREATMENT, admitted_on__lte=today)


def limit_of(row: Therapist, rules: Iterable[AbsenceRule]) -> int:
    """The lower of the therapist's own limit and the clinic's (R12)."""
    return min([row.max_caseload, *(one.times for one in rules if one.kind == Kind.CASELOAD)])


def _counted(request: Any, rows: Sequence[Therapist], today: datetime.date) -> Counter[int]:
    own = in_treatment(request, today).filter(primary_therapist__in=rows).order_by()
    return Counter(dict(own.values_list("primary_therapist").annotate(number=Count("pk"))))


def _caseload(row: Therapist, number: int, rules: Iterable[AbsenceRule]) -> str:
    limit = limit_of(row, rules)
    said = f"{number} of {limit}"
    return said if number <= limit else _loud(f"{said}, over the limit")


def _led(
    request: Any, rows: Sequence[Therapist], today: datetime.date
) -> Mapping[int, list[WeeklyBlock]]:
    found: defaultdict[int, list[WeeklyBlock]] = defaultdict(list)
    led = Q(facilitator__in=rows) | Q(co_facilitator__in=rows)
    for one in in_force_on(WeeklyBlock.objects.visible_to(request.user).filter(led), today):
        for therapist in (one.facilitator_id, one.co_facilitator_id):
            if therapist is not None:
                found[therapist].append(one)
    return found


def in_force_on(rows: Any, today: datetime.date) -> Any:
    return rows.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gte=today), valid_from__lte=today
    )


def _licenses(request: Any, rows: Sequence[Therapist]) -> Mapping[int, list[License]]:
    found: defaultdict[int, list[License]] = defaultdict(list)
    own = License.objects.visible_to(request.user).filter(therapist__in=rows)
    for one in own.order_by("-expires_on", "pk"):
        found[one.therapist_id].append(one)
    return found


def _licenses_said(
    own: Sequence[License], rules: Iterable[AbsenceRule], today: datetime.date
) -> str:
    """The one that is valid longest, as the rule judges it; how many there are beside it."""
    if not own:
        return "none entered"
    last, others = own[0], [one for one in own[1:] if one.expires_on >= today]
    said = f"{last.credential} {last.state}, until {full_date(last.expires_on)}"
    if others:
        said += f", and {len(others)} more"
    days = [one.times for one in rules if one.kind == Kind.LICENSE_ENDING]
    if last.expires_on < today:
        return _loud(f"{last.credential} {last.state} ended on {full_date(last.expires_on)}")
    left = (last.expires_on - today).days
    if days and left <= max(days):
        return _loud(f"{said}: {left} day{'' if left == 1 else 's'} left")
    return said


def _away(request: Any, rows: Sequence[Therapist]) -> Mapping[int, list[TimeOff]]:
    found: defaultdict[int, list[TimeOff]] = defaultdict(list)
    for one in _coming(request).filter(therapist__in=rows):
        if len(found[one.therapist_id]) < 2:
            found[one.therapist_id].append(one)
    return found


def _coming(request: Any) -> Any:
    rows = TimeOff.objects.in_force().visible_to(request.user)
    return rows.filter(ends_at__gt=timezone.now()).order_by("starts_at", "pk")


def away_said(row: TimeOff) -> str:
    """ "Wed Nov 25, 8:00 AM – 6:00 PM"; what has begun says so."""
    starts, ends = timezone.localtime(row.starts_at), timezone.localtime(row.ends_at)
    begun = row.starts_at <= timezone.now()
    same = ends.date() == (timezone.localdate() if begun else starts.date())
    until = f"{ends:%-I:%M %p}" if same else f"{ends:%a %b %-d, %-I:%M %p}"
    if begun:
        return _loud(f"now, until {until}")
    return f"{starts:%a %b %-d, %-I:%M %p} – {until}"


def _loud(said: str) -> str:
    return format_html('<strong class="clinic-late">{}</strong>', said)


# --- one page ------------------------------------------------------------------------------------


def therapist_panels(request: Any, row: Therapist) -> Iterable[Panel]:
    """What needs somebody first: cases, sessions to cover; then caseload and week."""
    own = may_see(request, row)
    if own and request.user.may(Can.VIEW_FLAGS, row.clinic_id):
        yield from cases_panel(request, row.clinic_id, therapist=row)
    if own:
        yield from _cover(request, row)
        yield _caseload_panel(request, row)
    yield _away_panel(request, row)
    if own:
        yield _week_panel(request, row)
        yield next_sessions(request, row.clinic_id, staff__therapist=row, staff__active=True)
    yield may_lead_panel(request, row)


def _cover(request: Any, row: Therapist) -> Iterator[Panel]:
    """Sessions of theirs that somebody has to look at, when there are any."""
    parts = SessionStaff.objects.filter(session=OuterRef("pk"), therapist=row)
    planned = Q(block__facilitator=row) | Q(block__co_facilitator=row)
    found = seen(request, row.clinic_id).not_over(timezone.now()).exclude(needs_attention="")
    sessions = list(found.filter(Exists(parts) | planned)[:SHOWN])
    if not sessions:
        return
    may = request.user.may(Can.MANAGE_SCHEDULE, row.clinic_id)
    yield Panel(
        "Sessions that need cover",
        (*HEADERS, *(("Next",) if may else ())),
        [(*session_line(one), *((_substitute(one),) if may else ())) for one in sessions],
    )


def _substitute(session: Any) -> str:
    address = reverse("admin:scheduling_session_substitute", args=[session.pk])
    return format_html('<span class="clinic-next">{}</span>', anchor(address, "Find a substitute"))


def _caseload_panel(request: Any, row: Therapist) -> Panel:
    """Patients in treatment, by name, and the limit with where it comes from."""
    today = timezone.localdate()
    rows = in_treatment(request, today).filter(primary_therapist=row)
    found = list(rows.select_related("patient", "program").order_by(
        "patient__last_name", "patient__first_name", "pk"
    ))  # fmt: skip
    rules = rules_today(row.clinic_id, Kind.CASELOAD)
    limit = limit_of(row, rules)
    return Panel(
        f"Caseload: {len(found)} of {limit}",
        ("Patient", "Program", "Week", "State"),
        [
            (link(one, one.patient), one.program, weeks_said(one, today), one.get_state_display())
            for one in found
        ],
        empty="No patient in treatment has this primary therapist.",
        note=_limit_note(row, limit, rules),
    )


def _limit_note(row: Therapist, limit: int, rules: Sequence[AbsenceRule]) -> str:
    for rule in rules:
        if rule.times == limit:
            return format_html("The limit is the clinic’s: {}.", link(rule))
    return "The limit is this therapist’s own, on the form below."


def _away_panel(request: Any, row: Therapist) -> Panel:
    coming = _coming(request).filter(therapist=row)[:SHOWN]
    return Panel(
        "Time off",
        ("When", "Reason"),
        [(link(one, away_said(one)), one.reason) for one in coming],
        empty="None now, and none is coming.",
        note=_away_note(request, row),
    )


def _away_note(request: Any, row: Therapist) -> str:
    if not request.user.may(Can.MANAGE_SCHEDULE, row.clinic_id):
        return ""
    address = f"{reverse('admin:scheduling_timeoff_new')}?therapist={row.pk}"
    return anchor(address, "Enter time off")


def _week_panel(request: Any, row: Therapist) -> Panel:
    """What they lead every week, one line for each group or patient; one statement."""
    rows = template_blocks().visible_to(request.user).filter(clinic=row.clinic_id)
    led = rows.filter(Q(facilitator=row) | Q(co_facilitator=row))
    blocks = list(in_force(led, timezone.localdate()))
    of: defaultdict[tuple[int | None, int | None], list[WeeklyBlock]] = defaultdict(list)
    for one in blocks:
        of[one.group_id, one.episode_id].append(one)
    return Panel(
        f"Leads {hours_and_minutes(led_minutes(blocks))} a week" if blocks else "Leads every week",
        ("Of", "When", "Room", "A week"),
        [_led_line(own) for own in of.values()],
        empty="No weekly block.",
        note="By the weekly blocks, breaks left out." if blocks else "",
    )


def _led_line(own: Sequence[WeeklyBlock]) -> tuple[object, ...]:
    first = own[0]
    what = first.group or first.episode
    assert what is not None
    named = what if first.group else first.episode and first.episode.patient
    return (
        link(what, named), template_said(own),
        places_linked(own),
        hours_and_minutes(led_minutes(own)),
    )  # fmt: skip
