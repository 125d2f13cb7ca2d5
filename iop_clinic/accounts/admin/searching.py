"""Searches of lists: the session keeps the term, and the address a short sign that stands for it.
Choices found by typing: what is typed is posted.

A patient's name belongs neither in an address nor in the histories and logs that keep addresses.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import ValidationError
from django.forms import DateField
from django.http import HttpResponse, HttpResponseRedirect, QueryDict

KEPT = "searches"
MOST = 20
"""Terms that a session keeps; whose sign is older shows the whole list."""
SIGN = "~"


def term_of(request: Any, asked: str) -> str:
    """The term that a sign stands for; a term itself is what it is."""
    if not asked.startswith(SIGN):
        return asked
    kept: dict[str, str] = request.session.get(KEPT, {})
    return kept.get(asked, "")


def iso_date_or_term(term: str) -> str:
    """A date as the database writes it, whichever way of the site it is written."""
    try:
        day = DateField().to_python(term.strip())
    except ValidationError:
        return term
    return term if day is None else day.isoformat()


def without_term(request: Any) -> HttpResponse | None:
    """The way to the same list by a sign, where a term was posted or typed into the address."""
    sent: QueryDict = request.POST if request.method == "POST" else request.GET
    term = sent.get(SEARCH_VAR)
    if term is None or (term.startswith(SIGN) and request.method != "POST"):
        return None
    query = sent.copy()
    for name in (SEARCH_VAR, "csrfmiddlewaretoken"):
        query.pop(name, None)
    if term.strip():
        query[SEARCH_VAR] = _sign(request, term)
    return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")


def _sign(request: Any, term: str) -> str:
    """The same for the same term, so that going back is no new search."""
    kept: dict[str, str] = request.session.get(KEPT, {})
    sign = next((one for one in kept if kept[one] == term), SIGN + secrets.token_hex(4))
    request.session[KEPT] = dict([*kept.items(), (sign, term)][-MOST:])
    return sign


class Offered(AutocompleteJsonView):
    """The rows that fit what is typed into a choice. 405 for GET."""

    http_method_names = ["post"]

    def post(self, request: Any) -> HttpResponse:
        request.GET = request.POST  # where Django's view and its pages look
        return self.get(request)
