"""`/mail/`: reads what the demo mailed. Its addresses exist in demo mode only.

Mail is shown as a mail program would show it: without scripts, without anything from elsewhere.
"""

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

NAME = re.compile(r"[\w-]+\.eml")
NEWEST = 200
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'"
MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"


@dataclass(frozen=True)
class Mail:
    """One .eml file."""

    name: str
    message: EmailMessage

    @property
    def sent_at(self) -> object:
        date = self.message["Date"]
        return parsedate_to_datetime(date) if date else None

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "(no subject)")

    @property
    def sender(self) -> str:
        return str(self.message["From"] or "")

    @property
    def recipient(self) -> str:
        return str(self.message["To"] or "")

    def body(self, kind: str) -> str:
        """The `plain` or `html` part as text; empty when there is none."""
        part = self.message.get_body((kind,))
        return part.get_content() if part else ""

    @property
    def text(self) -> str:
        return self.body("plain")

    @property
    def html(self) -> str:
        return self.body("html")


def read(file: Path) -> Mail:
    return Mail(file.name, message_from_bytes(file.read_bytes(), policy=policy.default))


def find(name: str) -> Mail:
    """The mail of that name; 404 for any other name, so that no other file can be reached."""
    file = settings.MAIL_DIR / name
    if not NAME.fullmatch(name) or not file.is_file():
        raise Http404
    return read(file)


@require_safe
@never_cache
def mailbox(request: HttpRequest) -> HttpResponse:
    """Every mail of the demo, newest first."""
    newest = sorted(settings.MAIL_DIR.glob("[!.]*.eml"), reverse=True)[:NEWEST]
    response = render(request, "mailbox/list.html", {"mails": [read(file) for file in newest]})
    response["Content-Security-Policy"] = PAGE_POLICY
    return response


@require_safe
@never_cache
def mail(request: HttpRequest, name: str) -> HttpResponse:
    """One mail: its headers, its HTML in a frame, its text."""
    response = render(request, "mailbox/mail.html", {"mail": find(name)})
    response["Content-Security-Policy"] = PAGE_POLICY
    return response


@require_safe
@never_cache
@xframe_options_sameorigin
def mail_html(request: HttpRequest, name: str) -> HttpResponse:
    """The HTML part alone, for the frame."""
    response = HttpResponse(find(name).html)
    response["Content-Security-Policy"] = MAIL_POLICY
    return response


urlpatterns = [
    path("mail/", mailbox, name="mailbox"),
    path("mail/<str:name>/", mail, name="mailbox-mail"),
    path("mail/<str:name>/html/", mail_html, name="mailbox-mail-html"),
]
