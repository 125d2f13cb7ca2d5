"""The note of a week that fell short: why, and which make-up was offered (R7)."""

from __future__ import annotations

from datetime import date, datetime

from django.utils import timezone

from attendance.models import AbsenceRule, Flag, WeekNote
from iop_clinic.accounts.acting import Refused, service
from iop_clinic.accounts.editing import check, check_version
from iop_clinic.accounts.models import User
from iop_clinic.accounts.weeks import Week
from patients.locks import lock_and_refresh

Kind = AbsenceRule.Kind

OF_A_WEEK = frozenset({Kind.HOURS, Kind.TOO_FEW_DAYS, Kind.BELOW_PLAN})
"""Rules whose case is about one week's hours and may carry a note; the evidence key begins with the
week's first day."""
BELOW_MINIMUM = frozenset({Kind.HOURS, Kind.TOO_FEW_DAYS})
"""Rules whose case a person closes only with a note, also before the week has ended: it comes back
only if more is missing by then."""
IN_A_WEEK = OF_A_WEEK | {Kind.LEFT_SHORT}


@service
def write_week_note(
    *,
    flag: Flag,
    reason: str,
    make_up_offered: str,
    by: User,
    detail: str = "",
    version: int | None = None,
    now: datetime | None = None,
) -> WeekNote:
    """Write, or rewrite, why the week was short and which make-up was offered, or why none (R7).

    Also for a case that is closed: the note is kept for those who audit. `version` is the case's.
    Refused: not_a_week, required (with the field), invalid, stale_version.
    """
    lock_and_refresh(flag)
    check_version(flag, version)
    if flag.rule not in OF_A_WEEK:
        raise Refused("not_a_week", "This case is not about a week's hours.")
    _check_words(reason, detail, make_up_offered)
    note = note_of(flag) or WeekNote(clinic_id=flag.clinic_id, flag=flag, version=0)
    note.reason, note.detail = reason, detail.strip()
    note.make_up_offered = make_up_offered.strip()
    note.written_at, note.written_by = now or timezone.now(), by
    note.version += 1
    check(note)
    note.save()
    flag.version += 1
    flag.save(update_fields=["version"])
    return note


def note_of(flag: Flag) -> WeekNote | None:
    return WeekNote.objects.filter(clinic=flag.clinic_id, flag=flag).first()


def week_of_case(flag: Flag) -> Week | None:
    """The week that the case is about; None for a case that is about something else."""
    if flag.rule not in IN_A_WEEK:
        return None
    return Week(date.fromisoformat(flag.evidence_key[:10]))


def lacks_note(flag: Flag) -> bool:
    """Whether the case is about a week below its minimum and its note is not written yet."""
    return flag.rule in BELOW_MINIMUM and note_of(flag) is None


def _check_words(reason: str, detail: str, make_up_offered: str) -> None:
    if reason not in WeekNote.Reason.values:
        raise Refused("required", "Choose why the week was short.", field="reason")
    if reason == WeekNote.Reason.OTHER and not detail.strip():
        raise Refused("required", "Say what the other reason is.", field="detail")
    if not make_up_offered.strip():
        raise Refused(
            "required", "Say which make-up was offered, or why none.", field="make_up_offered"
        )
