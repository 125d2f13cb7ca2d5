"""Who leads the sessions of a stretch of time, and which of those to come nobody can lead."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from iop_clinic.accounts.models import Clinic, Therapist
from scheduling.leading import LICENSE
from scheduling.models import Session, SessionStaff, SessionType
from scheduling.rules import Span
from scheduling.services.diary import WITHOUT_LEADER, Diary, with_also, without

NOBODY = "Nobody leads it"
CO_LEADS = SessionStaff.Role.CO_FACILITATOR


@dataclass(frozen=True)
class Cover:
    """The leaders of some sessions, and what stands in their way; read in five statements.

    The text a session carries of what needs attention is as old as its last change. A license that
    ran out since, or a therapist who left, shows here only. A co-facilitator who is left alone is
    asked what the type asks of a leader. Reads `session.session_type`.
    """

    diary: Diary
    parts: dict[int, list[SessionStaff]]

    @classmethod
    def of(
        cls,
        clinic: Clinic,
        span: Span,
        sessions: Iterable[Session],
        therapists: Iterable[int] = (),
    ) -> Self:
        """Of sessions inside the span; `therapists` are read too, though they lead none of them."""
        rows = SessionStaff.objects.filter(
            clinic=clinic, session__in=[session.pk for session in sessions], active=True
        )
        parts: dict[int, list[SessionStaff]] = defaultdict(list)
        # A substitute, the facilitator, a co-facilitator: whoever answers for the session first.
        for part in rows.select_related("therapist").order_by("-role", "pk"):
            parts[part.session_id].append(part)
        leading = {part.therapist_id for found in parts.values() for part in found}
        diary = Diary.of(clinic, span, therapists={*leading, *therapists}, rooms=[])
        return cls(diary, parts)

    def leaders(self, session: Session) -> Sequence[Therapist]:
        """Whoever has an active part, the one who answers for the session first."""
        return [part.therapist for part in self._parts(session)]

    def missing(self, session: Session, now: datetime.datetime) -> str:
        """Why nobody can lead a session that is not over; empty for any other session."""
        if not session.live or session.ends_at <= now:
            return ""
        kind = session.session_type
        troubles = [self._trouble(part, session, kind) for part in self._parts(session)]
        if troubles and not all(troubles):
            return ""
        if troubles or WITHOUT_LEADER in session.needs_attention:
            return "; ".join(troubles) or session.needs_attention
        return with_also(session.needs_attention, NOBODY)

    def to_look_at(self, session: Session, now: datetime.datetime) -> str:
        """What a person must look at in a session to come that somebody leads: no room, a second
        leader who may not. Of licenses it is told as they are now."""
        if not session.live or session.ends_at <= now or self.missing(session, now):
            return ""
        troubles = [
            self._trouble(part, session, None if part.role == CO_LEADS else session.session_type)
            for part in self._parts(session)
        ]
        return "; ".join(filter(None, [without(session.needs_attention, LICENSE), *troubles]))

    def _parts(self, session: Session) -> Sequence[SessionStaff]:
        return self.parts.get(session.pk, ())

    def _trouble(self, part: SessionStaff, session: Session, kind: SessionType | None) -> str:
        span = Span(session.starts_at, session.ends_at)
        return self.diary.absence(part.therapist, span) or self.diary.license_trouble(
            part.therapist, span, kind
        )
