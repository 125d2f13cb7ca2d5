"""What a recipient must know of the files: the notice of Part 2, and how to read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils import timezone

from attendance.documents.sheet import PART2_NOTICE
from attendance.exports.facts import apart
from attendance.exports.sources import Asked, Source
from iop_clinic.accounts.models import Therapist
from iop_clinic.accounts.weeks import full_date


def notice_of(sources: Sequence[Source], asked: Asked) -> str:
    """The notice if a row tells of a patient in a Part 2 program; a statement a table at most."""
    return PART2_NOTICE if any(one.is_protected(asked) for one in sources) else ""


def about(asked: Asked, notice: str) -> list[str]:
    """Paragraphs; none for a single table without a notice. Of the whole: at most 3 statements."""
    said = [notice] if notice else []
    if asked.whole:
        said += _of_the_whole(asked)
    return said


def _of_the_whole(asked: Asked) -> Iterator[str]:
    today = timezone.localdate(timezone=asked.clinic.tz)
    yield (
        f"{asked.clinic.name}, exported on {full_date(today)}. Times are the wall time of "
        f"{asked.clinic.zone}."
    )
    yield (
        "The tables are in the form in which IOP Clinic imports a clinic (docs/import.md). An "
        "apostrophe before = + - @ marks text, and is taken off again."
    )
    yield (
        "Sessions follow from the weekly blocks; standards, rules, cases, outreach, offers of "
        "seats, notes and passwords are not part of the form."
    )
    if count := apart(asked):
        yield (
            f"{count} attendance row{'s are' if count > 1 else ' is'} left out: no weekly block "
            "leads to a session that was moved, planned for several or visited as a guest. Export "
            "“Attendance” for all of them."
        )
    if count := _without_address(asked):
        yield (
            f"{count} therapist{'s' if count > 1 else ''} never had an account. Files know staff "
            "by their email address: enter one where a cell for it is empty, or invite them and "
            "export again."
        )


def _without_address(asked: Asked) -> int:
    return int(asked.rows(Therapist).filter(memberships__isnull=True).count())
