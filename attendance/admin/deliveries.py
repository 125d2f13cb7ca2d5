"""To whom a report was mailed, the mail itself, and sending one again that was given up."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from attendance.models import ComplianceReport, ReportDelivery
from attendance.reports.delivery import MOST_ATTEMPTS
from attendance.reports.mail import letter
from attendance.reports.resending import GIVEN_UP, send_again
from iop_clinic.accounts.acting import Refused
from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.forms import ServiceForm
from iop_clinic.accounts.admin.panels import Panel, anchor, link
from iop_clinic.accounts.models import User
from iop_clinic.accounts.roles import Can

State = ReportDelivery.State

LOOK_BACK = datetime.timedelta(days=14)
"""How far back whatever failed is sent again in one go: an older report helps nobody."""

MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""A mail is shown as a mail program would: no script, nothing fetched, its links in a new tab."""
HEAD = (
    '<head><base target="_blank"><style>@media print {'
    " .bar td, .key span { print-color-adjust: exact } .button { display: none !important }"
    " }</style>"
)
"""What is added to it for that: printers leave the colors out of bars otherwise."""


# --- the mail ------------------------------------------------------------------------------------


def mail_of(report: ComplianceReport, *, text: bool = False) -> HttpResponse:
    """The HTML or the text of a report's mail, by the function that composed what was sent."""
    told = letter(report)
    if text:
        response = HttpResponse(f"{told.subject}\n\n{told.text}", content_type="text/plain")
    else:
        response = HttpResponse(told.html.replace("<head>", HEAD, 1))
    response["Content-Security-Policy"] = MAIL_POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


# --- who got it ----------------------------------------------------------------------------------


def with_deliveries(rows: QuerySet[ComplianceReport], user: User) -> QuerySet[ComplianceReport]:
    """Reports with the deliveries this person may see; one statement for any number of them."""
    seen = ReportDelivery.objects.visible_to(user).select_related("recipient").order_by("pk")
    return rows.prefetch_related(Prefetch("deliveries", queryset=seen))


def mailed(report: ComplianceReport) -> str:
    """How a report's mails fared: "5 sent, 1 failed"."""
    states = [one.state for one in report.deliveries.all()]
    words = {
        State.SENT: "sent",
        State.FAILED: "failed",
        State.DROPPED: "not sent",
        State.PENDING: "waiting",
        State.SENDING: "being sent",
    }
    counts = ((states.count(state), word) for state, word in words.items())
    return ", ".join(f"{count} {word}" for count, word in counts if count) or "to nobody"


def mailed_panel(report: ComplianceReport, *, may_send: bool) -> Panel:
    """Each recipient with what became of the mail, and the way to send it again."""
    return Panel(
        "Sent to",
        ("Recipient", "State", "Attempts", "When", "What went wrong", "Next"),
        [
            (
                link(one, one.recipient),
                one.get_state_display(),
                f"{one.attempts} of {MOST_ATTEMPTS}",
                when(one),
                trouble(one),
                _again(one) if may_send else "",
            )
            for one in report.deliveries.all()
        ],
        empty="Nobody: no one in the clinic receives this report.",
    )


def when(row: ReportDelivery) -> str:
    """When it was sent, or is tried next."""
    if row.sent_at is not None:
        return f"sent {_moment(row.sent_at)}"
    if row.state == State.PENDING:
        return f"next try {_moment(row.due_at)}"
    return ""


def trouble(row: ReportDelivery) -> str:
    """The last error in words, with its code for whoever looks after the mail server."""
    if not row.error:
        return ""
    if row.error.startswith("SMTP 5"):
        return f"The mail server refused it for good ({row.error})."
    if row.error.startswith("SMTP 4"):
        return f"The mail server did not take it then ({row.error})."
    return f"The mail could not be handed over ({row.error})."


def _again(row: ReportDelivery) -> str:
    if row.state not in GIVEN_UP:
        return ""
    return anchor(
        reverse("admin:attendance_reportdelivery_send-again", args=[row.pk]), "Send again"
    )


def _moment(instant: datetime.datetime) -> str:
    return f"{timezone.localtime(instant):%a %b %-d, %-I:%M %p %Z}"


class MailedFilter(admin.SimpleListFilter):
    """`?mail=failed`: reports that somebody should have got and did not."""

    title = "mail"
    parameter_name = "mail"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "Failed for somebody")] if model_admin.shows_mail(request) else []

    def queryset(self, request: Any, queryset: QuerySet[ComplianceReport]) -> Any:
        if self.value() != "failed":
            return queryset
        failed = ReportDelivery.objects.visible_to(request.user).filter(state=State.FAILED)
        return queryset.filter(Exists(failed.filter(report=OuterRef("pk"))))


# --- sending again -------------------------------------------------------------------------------


class SendAgainForm(ServiceForm):
    title = "Send again"
    path = "send-again"
    can = Can.WORK_FLAGS
    explanation = (
        "Puts this mail back among those to send, with six attempts of its own. It says what it "
        "said then. Whoever no longer receives the report does not get it."
    )
    row: ReportDelivery

    @classmethod
    def offered(cls, row: ReportDelivery) -> bool:
        return row.state in GIVEN_UP

    def run(self) -> str:
        row = send_again(delivery=self.row, by=self.user)
        return f"The mail to {row.recipient} is on its way. Its state here says when it was sent."


class SendFailedForm(ServiceForm):
    """For the morning after the mail server was down."""

    title = "Send all failed ones again"
    path = "send-failed"
    button = "Send them again"
    can = Can.WORK_FLAGS
    wants_row = False

    def narrow(self) -> None:
        seen = ReportDelivery.objects.visible_to(self.user).filter(clinic=self.clinic)
        since = timezone.now() - LOOK_BACK
        self.failed = seen.filter(state=State.FAILED, due_at__gte=since).order_by("pk")
        self.count = self.failed.count()
        self.submits = self.count > 0

    def introduction(self) -> str:
        if not self.count:
            return "No mail of the last two weeks has failed."
        mails = "1 mail" if self.count == 1 else f"{self.count} mails"
        return (
            f"{mails} of the last two weeks failed. They are put back among those to send; whoever "
            "no longer receives the report does not get it."
        )

    def run(self) -> str:
        sent, refused = self._send(self.failed)
        said = f"{sent} mail{'' if sent == 1 else 's'} on the way."
        return f"{said} {refused} not: no longer a recipient." if refused else said

    def _send(self, rows: Iterable[ReportDelivery]) -> tuple[int, int]:
        sent = refused = 0
        for row in rows:
            try:
                send_again(delivery=row, by=self.user)
            except Refused as error:
                refused += error.code == "not_a_recipient"  # or else somebody was faster
            else:
                sent += 1
        return sent, refused


@admin.register(ReportDelivery)
class ReportDeliveryAdmin(ClinicModelAdmin):
    view = Can.VIEW_REPORTS
    list_display = ("recipient", "report", "state", "attempts", "sent_at", "trouble")
    list_filter = ("state",)
    related = ("recipient", "report__therapist")
    ordering = ("-due_at", "pk")
    verbs = (SendAgainForm,)
    list_verbs = (SendFailedForm,)
    fields = (
        ("recipient", "mail"),
        ("state", "attempts"),
        ("due_at", "sent_at"),
        "trouble",
    )
    readonly_fields = ("mail", "trouble")

    @admin.display(description="Report")
    def mail(self, row: ReportDelivery) -> str:
        return link(row.report)

    @admin.display(description="What went wrong")
    def trouble(self, row: ReportDelivery) -> str:
        return trouble(row)
