"""`/calendar/{secret}.ics`: the calendar a phone subscribes to. The address is the only key."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from iop_clinic.accounts.api.throttles import WrongLinks
from iop_clinic.accounts.calendar_links import link_of
from iop_clinic.accounts.models import CalendarLink
from iop_clinic.accounts.roles import Can
from scheduling.calendar import calendar, entries_of, fingerprint

PRIVATE = {"Cache-Control": "private, no-cache", "Referrer-Policy": "no-referrer"}


@require_safe
def feed(request: HttpRequest, secret: str) -> HttpResponseBase:
    """The owner's sessions; 404 alike for a link that was never made, is revoked, or whose owner
    has no access any more; 429 after too many of those from one address.
    """
    wrong = WrongLinks(request)
    if wrong.too_many:
        return _refusal(429, "Too many wrong addresses. Try again later.", wrong.seconds)
    link = link_of(secret)
    if link is None or Can.VIEW_SCHEDULE not in link.membership.permissions:
        wrong.count()
        return _refusal(404, "There is no such calendar.")
    return _answer(request, link)


def _answer(request: HttpRequest, link: CalendarLink) -> HttpResponseBase:
    therapist = link.membership.therapist
    assert therapist is not None, "link_of asks for it"
    name = f"Sessions, {link.clinic}"
    entries = entries_of(therapist, link.clinic, timezone.now())
    etag = f'"{fingerprint(entries, name=name)}"'
    response: HttpResponseBase | None = get_conditional_response(request, etag=etag)
    if response is None:
        body = calendar(entries, name=name, uid=therapist.public_id)
        response = HttpResponse(body, content_type="text/calendar; charset=utf-8")
    for header, value in {**PRIVATE, "ETag": etag}.items():
        response[header] = value
    return response


def _refusal(status: int, sentence: str, wait: int = 0) -> HttpResponse:
    """Not stored by anybody: the address may work tomorrow."""
    response = HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = PRIVATE["Referrer-Policy"]
    if wait:
        response["Retry-After"] = str(wait)
    return response
