"""Getting, renewing and revoking one's own calendar link, on the page of the sessions."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html

from iop_clinic.accounts.admin.forms import ServiceForm, choice_field
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.calendar_links import renew_link, revoke_link
from iop_clinic.accounts.models import CalendarLink, Membership, User
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date, local_date

RENEW, REVOKE = "renew", "revoke"
PHONES = (
    ("iPhone, iPad, Mac", "Calendar, Calendars, Add Calendar, Add Subscription Calendar"),
    ("Google", "calendar.google.com, Other calendars, From URL; the phone then shows it"),
    ("Outlook", "Calendar, Add calendar, Subscribe from web"),
)


class CalendarLinkForm(ServiceForm):
    title = "Calendar on my phone"
    path = "calendar-link"
    button = "Go on"
    explanation = (
        "A secret address under which a phone's calendar finds your sessions: group or type, time "
        "and room, never a patient. Whoever has the address can read them, so give it to nobody."
    )
    can = Can.VIEW_SCHEDULE
    wants_row = False
    what = choice_field(
        [(RENEW, "Make a new link; the present one stops"), (REVOKE, "End the present link")],
        "What to do",
    )
    secret = ""

    @classmethod
    def concerns(cls, user: User) -> bool:
        return bool(user.scope.therapist_ids)

    def narrow(self) -> None:
        links = CalendarLink.objects.filter(clinic=self.clinic, membership__user=self.user)
        self.link = links.first()
        own = Membership.objects.live().filter(clinic=self.clinic, user=self.user)
        self.submits = own.filter(therapist__isnull=False).exists()
        if self.link is None:
            del self.fields["what"]
            self.button = "Make a link"

    def introduction(self) -> str:
        if not self.submits:
            return "You lead no sessions in this clinic: there is no calendar of yours."
        if self.link is None or self.secret:
            return self.explanation
        made = full_date(local_date(self.link.created_at, self.clinic.tz))
        return f"{self.explanation} Your link was made on {made}."

    def run(self) -> str:
        if self.cleaned_data.get("what", RENEW) == REVOKE:
            revoke_link(clinic=self.clinic, by=self.user)
            return "The link has ended. Remove the calendar from your phone: it shows old times."
        self.secret = renew_link(clinic=self.clinic, by=self.user)
        return "This is your link. It is shown only now."

    def shown_once(self) -> Sequence[Panel]:
        if not self.secret:
            return ()
        address = settings.BASE_URL + reverse("calendar", kwargs={"secret": self.secret})
        shown = format_html('<code class="clinic-secret">{}</code>', address)
        return (
            Panel(
                "Your calendar's address",
                ("Where", "How"),
                [("Address", shown), *PHONES],
                note="Subscribe to it; a file imported once does not change any more.",
            ),
        )
