"""Reads of the waitlist: who must be asked again."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from scheduling.models import WaitlistEntry, WaitlistOffer, WaitlistStep

Answer = WaitlistOffer.Answer


def unanswered(entries: QuerySet[WaitlistEntry]) -> QuerySet[Any]:
    """Who waits on after an offer that expired or for which no seat was left, and was not called or
    passed over since (R13)."""
    same = {"clinic": OuterRef("clinic"), "entry": OuterRef("pk")}
    offers = WaitlistOffer.objects.filter(**same).order_by("-made_at", "-pk")
    since = WaitlistStep.objects.filter(**same, noted_at__gte=OuterRef("ended"))
    last = entries.filter(state=WaitlistEntry.State.WAITING).annotate(
        last_answer=Subquery(offers.values("answer")[:1]),
        ended=Subquery(offers.values("answered_at")[:1]),
    )
    return last.filter(~Exists(since), last_answer__in=(Answer.EXPIRED, Answer.WITHDRAWN))
