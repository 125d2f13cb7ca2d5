"""One export: a file of what somebody may see, and a trace of it in the audit trail."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

from django.db import connection, transaction
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.text import slugify

from attendance.exports.about import about, notice_of
from attendance.exports.files import Sheet, write_csv, write_workbook, write_zip
from attendance.exports.kinds import WHOLE, chosen
from attendance.exports.sources import Asked, Source
from iop_clinic.accounts.reads import note_export


class Form(TextChoices):
    XLSX = "xlsx", "Excel workbook (XLSX)"
    CSV = "csv", "CSV"


MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}


@dataclass(frozen=True, slots=True)
class Export:
    """A file that vanishes when it is closed; `rows` are those of all its tables."""

    file: IO[bytes]
    name: str
    media: str
    rows: int


def export(*, kind: str, form: str, asked: Asked) -> Export:
    """Write what is asked for into a temporary file, and note who took it along.

    Nothing is noted before the file is complete, and no file is handed out that is not noted.
    A dated table keeps to the range; of the others, and of the whole, everything is taken.
    """
    sources = chosen(kind)
    asked = replace(asked, whole=kind == WHOLE)
    if not any(one.dated for one in sources) or asked.whole:
        asked = replace(asked, first=None, last=None)
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by the response
    try:
        ending, rows = _write(file, sources, form, asked)
        note_export(asked.clinic, by=asked.user, **_told(kind, form, asked, rows))
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return Export(file, _name(kind, ending, asked), MEDIA[ending], rows)


def _write(file: IO[bytes], sources: Sequence[Source], form: str, asked: Asked) -> tuple[str, int]:
    """What the file is, and how many rows it holds."""
    sheets = [Sheet(one.table.name, one.headers, one.lines(asked)) for one in sources]
    with _one_moment():
        notice = notice_of(sources, asked)
        said = about(asked, notice)
        ending = form
        if form == Form.XLSX:
            write_workbook(file, sheets, said, notice)
        elif said:
            ending = "zip"
            write_zip(file, sheets, said)
        else:
            write_csv(file, sheets[0])
    return ending, sum(sheet.rows for sheet in sheets)


@contextmanager
def _one_moment() -> Iterator[None]:
    """Every table as it was at one instant; rows come by a cursor that lives in this transaction,
    which a connection pooler keeps together."""
    alone = not connection.in_atomic_block
    with transaction.atomic():
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _told(kind: str, form: str, asked: Asked, rows: int) -> dict[str, str]:
    """For the audit trail: what, from when until when, how; nobody's name."""
    dates = {"from": asked.first, "until": asked.last}
    return {
        "exported": f"{kind.replace('_', ' ')} ({form.upper()})",
        **{name: day.isoformat() for name, day in dates.items() if day is not None},
        "rows": str(rows),
    }


def _name(kind: str, ending: str, asked: Asked) -> str:
    """Clinic, kind, date; no patient's name on a shared disk."""
    today = timezone.localdate(timezone=asked.clinic.tz)
    return f"{slugify(asked.clinic.name) or 'clinic'}-{kind}-{today}.{ending}".replace("_", "-")
