"""When patients are expected elsewhere, and what of that a short visit may interrupt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from scheduling.models import Booking, Session
from scheduling.rules import Span
from scheduling.services.visits import VISITS, is_inside


class Busy(NamedTuple):
    """When a patient is expected elsewhere; without the booking where it is not saved yet."""

    session: int
    span: Span
    booking: int | None = None
    is_visit: bool = False
    nested: bool = False
    """In the way of other visits alone: of a session it is the one around it."""

    def may_interrupt(self, session: Session) -> bool:
        """Whether it is a visit inside a session that is none."""
        inside = not self.nested and is_inside(self.span, _span(session))
        return inside and self.is_visit and session.session_type.kind not in VISITS

    def is_around(self, session: Session) -> bool:
        """Whether the session is a visit inside this one, which is none."""
        inside = not self.nested and is_inside(_span(session), self.span)
        return inside and not self.is_visit and session.session_type.kind in VISITS

    def keeps_from(self, session: Session) -> bool:
        other = self.session != session.pk and self.span.overlaps(_span(session))
        if self.nested:
            return other and session.session_type.kind in VISITS
        return other and not (self.may_interrupt(session) or self.is_around(session))


def busy_between(
    span: Span, clinic: int, patients: Collection[int], *, but: Collection[int] = ()
) -> dict[int, list[Busy]]:
    """By patient: every live booking that touches a time, `but` for those in some sessions."""
    rows = Booking.objects.seated().overlapping(*span).order_by()
    rows = rows.filter(clinic=clinic, patient__in=patients)
    if but:
        rows = rows.exclude(session__in=but)
    busy: dict[int, list[Busy]] = defaultdict(list)
    named = ["patient", "pk", "session__session_type__kind", "nested_in", "session"]
    found = rows.values_list(*named, "starts_at", "ends_at")
    for patient, key, kind, outer, session, *times in found:
        busy[patient].append(Busy(session, Span(*times), key, kind in VISITS, outer is not None))
    return busy


def _span(session: Session) -> Span:
    return Span(session.starts_at, session.ends_at)
