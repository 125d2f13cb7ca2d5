"""The start page of the admin site and its menus: what waits for this person, with links to it.

Everything is counted within what the person may see, in a number of statements that does not depend
on how much there is.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from attendance.admin.first_steps import first_steps
from attendance.admin.morning import authorizations_panel, case_panels_of_today, seats_panel
from attendance.admin.pictures import pictures
from attendance.admin.sessions import named, rosters_missing, with_leaders
from attendance.models import Flag, NightlyRun, ReportDelivery
from attendance.models.standards import Severity
from attendance.querysets import FlagQuerySet
from attendance.reports.casework import of_caseload
from attendance.reports.health import jobs_health, untold
from attendance.roster_pages.units import Unit
from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.admin.working import working_clinic
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import day_instants, long_date
from scheduling.cover import Cover
from scheduling.models import Booking, Session
from scheduling.rules import Span

LOOK_BACK = datetime.timedelta(days=14)
SHOWN = 8
CASELOAD = "whose=caseload&"
DAILY: tuple[tuple[str, str, str, Can], ...] = (
    ("Take a call-in", "admin:scheduling_callin_call-in", "", Can.TAKE_CALL_INS),
    ("Rosters and sign-in sheets", "roster:list", "", Can.TAKE_CALL_INS),
    ("Cover and week", "admin:scheduling_session_week", "", Can.MANAGE_SCHEDULE),
    ("Make-ups to book", "admin:attendance_flag_changelist", "?case=repairable", Can.WORK_FLAGS),
    ("Enter a patient", "admin:patients_patient_add", "", Can.EDIT_PATIENTS),
)
"""What is done every day and is not in a table below: title, page, its query, who may."""


def dashboard(request: Any, context: dict[str, Any]) -> dict[str, Any]:
    """What the start page shows beside Unfold's own context."""
    clinic, now = working_clinic(request), timezone.now()
    context.update(title=clinic.name, today=timezone.localdate(), zone=clinic.zone)
    context["links"] = [
        (title, reverse(page) + query) for title, page, query, can in DAILY if may(request, can)
    ]
    cases, query = cases_of(request, clinic)
    if may(request, Can.VIEW_FLAGS):
        context["severities"] = by_severity(cases, query, now)
    context["panels"] = list(panels(request, clinic, cases, now))
    if may(request, Can.VIEW_REPORTS):
        context["pictures"] = pictures(clinic, timezone.localdate())
        context["night"] = NightlyRun.objects.filter(clinic=clinic).first()
        context["jobs"] = jobs_health(now=now)
        context["untold"] = untold().filter(pk=clinic.pk).exists()
        context["unsent"] = unsent_reports(clinic, now)
    return context


def panels(
    request: Any, clinic: Clinic, cases: FlagQuerySet, now: datetime.datetime
) -> Iterator[Panel]:
    """First what somebody has to do, then how things stand."""
    if may(request, Can.MANAGE_SCHEDULE) and (steps := first_steps(request, clinic)):
        yield steps
    sees_cases, sees_sessions = may(request, Can.VIEW_FLAGS), may(request, Can.VIEW_SCHEDULE)
    if sees_cases:
        yield from case_panels_of_today(request, cases, clinic, now)
    if sees_sessions:
        yield unrecorded_rosters(request, clinic, now)
        yield sessions_today(request, clinic)
        yield seats_panel(request, clinic)
    if sees_cases:
        yield authorizations_panel(cases)


def may(request: Any, can: Can) -> bool:
    return request.user.has_perm(can)


# --- what the page counts --------------------------------------------------------------------


def cases_of(request: Any, clinic: Clinic) -> tuple[FlagQuerySet, str]:
    """The open cases this page is about, and how their queue is asked for them.

    A therapist's are those of the caseload, as in their mail.
    """
    rows = Flag.objects.visible_to(request.user).filter(clinic=clinic).open()
    sight = request.user.sight
    if clinic.pk in sight.own_rows_clinics:
        return of_caseload(rows, sight.therapist_ids, timezone.localdate()), CASELOAD
    return rows, ""


def by_severity(rows: FlagQuerySet, query: str, now: datetime.datetime) -> list[dict[str, Any]]:
    """Open and overdue cases by severity, loudest first; one statement."""
    late = Count("pk", filter=Q(pk__in=rows.overdue(now).values("pk")))
    counted = rows.order_by().values("severity").annotate(open=Count("pk"), overdue=late)
    found = {row["severity"]: row for row in counted}
    queue = reverse("admin:attendance_flag_changelist")
    return [
        {
            "name": one.name.lower(),
            "label": one.label,
            "open": found.get(one, {}).get("open", 0),
            "overdue": found.get(one, {}).get("overdue", 0),
            "url": f"{queue}?{query}severity__exact={one.value}",
        }
        for one in sorted(Severity, reverse=True)
    ]


def unrecorded_rosters(request: Any, clinic: Clinic, now: datetime.datetime) -> Panel:
    """Sessions of the last two weeks with somebody unrecorded, oldest first; two statements."""
    ended = _sessions(request, clinic).filter(local_date__gte=timezone.localdate() - LOOK_BACK)
    rows = rosters_missing(ended, user=request.user, now=now)
    count = rows.count()
    note = "Unrecorded is not absent: nothing is held against a patient until it is recorded."
    return Panel(
        f"Rosters not recorded: {count}" if count else "Rosters not recorded",
        ("Session", "Date", "Time", *(("Next",) if may(request, Can.RECORD_ATTENDANCE) else ())),
        [_line(request, one) for one in rows.order_by("starts_at", "pk")[:SHOWN]],
        empty="Every roster of the last two weeks is in.",
        note=note if count else "",
    )


def sessions_today(request: Any, clinic: Clinic) -> Panel:
    """Today's sessions with how many are recorded, and which of them nobody can lead.

    Six statements.
    """
    today, now = timezone.localdate(), timezone.now()
    rows = _sessions(request, clinic).filter(local_date=today)
    expected = Q(bookings__live=True) & ~Q(bookings__state=Booking.State.WITHDRAWN)
    counted = rows.annotate(
        expected=Count("bookings", filter=expected, distinct=True),
        recorded=Count("bookings__attendance", filter=expected, distinct=True),
    )
    sessions = list(counted.order_by("starts_at", "pk"))
    ends_at = max((one.ends_at for one in sessions), default=now)
    cover = Cover.of(clinic, Span(day_instants(today, clinic.tz)[0], ends_at), sessions)
    plans = may(request, Can.MANAGE_SCHEDULE)
    return Panel(
        "Today’s sessions",
        ("Session", "When and where", "Recorded", "To look at"),
        [
            (link(one, named(one)), _place(one), f"{one.recorded} of {one.expected}",
             _trouble(one, cover, now, plans=plans))
            for one in sessions
        ],
        empty="No session today.",
    )  # fmt: skip


def unsent_reports(clinic: Clinic, now: datetime.datetime) -> int:
    """Mails of the last two weeks that were given up; one statement."""
    failed = ReportDelivery.objects.filter(clinic=clinic, state=ReportDelivery.State.FAILED)
    return failed.filter(due_at__gte=now - LOOK_BACK).count()


def _sessions(request: Any, clinic: Clinic) -> Any:
    rows = Session.objects.live().visible_to(request.user).filter(clinic=clinic)
    return with_leaders(rows.select_related("group", "session_type", "room"))


def _line(request: Any, row: Session) -> list[Any]:
    line = [link(row, named(row)), long_date(row.local_date), _time(row)]
    records = may(request, Can.RECORD_ATTENDANCE)
    return [*line, anchor(Unit((row,)).url, "Record")] if records else line


def _trouble(row: Session, cover: Cover, now: datetime.datetime, *, plans: bool) -> str:
    """Why nobody can lead it, with the way to somebody who does; or what else needs attention."""
    uncovered = cover.missing(row, now)
    if not uncovered:
        return cover.to_look_at(row, now)
    said = format_html('<strong class="clinic-late">needs cover</strong> {}', uncovered)
    if not plans:
        return said
    address = reverse("admin:scheduling_session_substitute", args=[row.pk])
    return format_html("{} {}", said, anchor(address, "Assign a substitute"))


def _place(row: Session) -> str:
    return f"{_time(row)}, {row.place}" if row.place else _time(row)


def _time(row: Session) -> str:
    starts, ends = timezone.localtime(row.starts_at), timezone.localtime(row.ends_at)
    return f"{starts:%-I:%M %p} – {ends:%-I:%M %p %Z}"


# --- menus -----------------------------------------------------------------------------------

MENU: tuple[tuple[str, tuple[tuple[str, str, str, Can], ...]], ...] = (
    (
        "",
        (
            ("Patients", "person", "patients_patient", Can.VIEW_PATIENTS),
            ("Episodes", "clinical_notes", "patients_episode", Can.VIEW_PATIENTS),
            ("Groups", "groups", "scheduling_group", Can.VIEW_SCHEDULE),
            ("Sessions", "event", "scheduling_session", Can.VIEW_SCHEDULE),
            ("Cases", "flag", "attendance_flag", Can.VIEW_FLAGS),
            ("Authorizations", "verified", "patients_authorization", Can.VIEW_PATIENTS),
            ("Certifications", "approval", "patients_certification", Can.VIEW_PATIENTS),
        ),
    ),
    (
        "Planning",
        (
            ("Week", "calendar_month", "admin:scheduling_session_week", Can.VIEW_SCHEDULE),
            ("Weekly blocks", "calendar_view_week", "scheduling_weeklyblock", Can.VIEW_SCHEDULE),
            ("Waitlist", "hourglass_empty", "scheduling_waitlistentry", Can.VIEW_SCHEDULE),
            ("Rooms", "meeting_room", "scheduling_room", Can.VIEW_SCHEDULE),
            ("Call-ins", "phone_missed", "scheduling_callin", Can.VIEW_SCHEDULE),
            ("Closures", "event_busy", "scheduling_closure", Can.VIEW_SCHEDULE),
            ("Time off", "beach_access", "scheduling_timeoff", Can.VIEW_SCHEDULE),
        ),
    ),
    (
        "Reports",
        (
            ("Reports", "summarize", "attendance_compliancereport", Can.VIEW_FLAGS),
            ("Week results", "fact_check", "attendance_weekresult", Can.VIEW_FLAGS),
            ("Nights", "bedtime", "attendance_nightlyrun", Can.VIEW_REPORTS),
            ("Mails", "outgoing_mail", "attendance_reportdelivery", Can.VIEW_REPORTS),
            ("Export", "download", "admin:accounts_clinic_export", Can.EXPORT),
        ),
    ),
    (
        "Clinic",
        (
            ("Staff", "badge", "accounts_membership", Can.MANAGE_STAFF),
            ("Therapists", "psychology", "accounts_therapist", Can.VIEW_SCHEDULE),
            ("Standards", "rule", "attendance_standard", Can.VIEW_SCHEDULE),
            (
                "Absence rules",
                "notification_important",
                "attendance_absencerule",
                Can.VIEW_SCHEDULE,
            ),
            ("Credit rules", "timer", "attendance_creditrule", Can.VIEW_SCHEDULE),
            ("Session types", "category", "scheduling_sessiontype", Can.VIEW_SCHEDULE),
            ("Programs", "local_library", "patients_program", Can.VIEW_SCHEDULE),
            ("Payers", "account_balance", "patients_payer", Can.VIEW_PATIENTS),
            ("Import", "upload_file", "admin:attendance_dataimport_bring", Can.IMPORT),
            ("Settings", "settings", "accounts_clinic", Can.MANAGE_CLINIC),
        ),
    ),
)


def navigation(request: Any) -> list[dict[str, Any]]:
    """The sidebar, in the field's words, with what this person may open."""
    home = {"title": "Today", "icon": "home", "link": reverse("admin:index")}
    rosters = {"title": "Roster", "icon": "how_to_reg", "link": reverse("roster:list")}
    # Whoever leads sessions has come for their rosters.
    own = [rosters, home] if request.user.scope.therapist_ids else [home, rosters]
    groups = [
        {
            "title": title,
            "separator": bool(title),
            "items": [
                {"title": name, "icon": icon, "link": reverse(_address(page))}
                for name, icon, page, can in items
                if may(request, can)
            ],
        }
        for title, items in MENU
    ]
    first = own if may(request, Can.RECORD_ATTENDANCE) else [home]
    groups[0]["items"] = [*first, *groups[0]["items"]]  # type: ignore[misc]
    _mark_open_page(groups, request.path)
    return [group for group in groups if group["items"]]


def _mark_open_page(groups: list[dict[str, Any]], path: str) -> None:
    """Of a page under another one's address the longer address alone; Unfold would mark both."""
    items = [item for group in groups for item in group["items"]]
    inside = [one["link"] for one in items if path.startswith(one["link"])]
    longest = max(inside, key=len, default="")
    here = path if longest == reverse("admin:index") else longest
    for item in items:
        item["active"] = item["link"] == here


def _address(page: str) -> str:
    """A page of its own is named whole; the others are lists of rows."""
    return page if ":" in page else f"admin:{page}_changelist"


def subheader(request: Any) -> str:
    """Which clinic, and in which zone every time on the page is."""
    if not request.user.is_authenticated or not request.user.is_staff:
        return ""
    clinic = working_clinic(request)
    return f"{clinic.name} · {clinic.zone}"


def site_menu(request: Any) -> list[dict[str, Any]]:
    """The menu at the top left, for those who work in several clinics."""
    if not request.user.is_authenticated or len(request.user.scope.roles) < 2:
        return []
    return [
        {"icon": "home", "title": "Today", "link": reverse("admin:index")},
        {
            "icon": "swap_horiz",
            "title": "Change clinic",
            "link": reverse("admin:accounts_clinic_switch"),
        },
    ]


def environment(request: Any) -> list[str] | None:
    """A badge that says: nothing here is real."""
    return ["demo", "warning"] if settings.MODE == "demo" else None
