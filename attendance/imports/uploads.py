"""Files as they were uploaded: what they are, how they are kept together, and the tables in them.

Nothing is ever written to a disk under a name from outside, and nothing is unpacked that says it
is larger than `MOST_UNPACKED`, or beyond what it says (`archives.py`).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import PurePosixPath
from typing import NamedTuple

from attendance.imports.archives import DAMAGED, content
from attendance.imports.problems import ImportRefused, Problem
from attendance.imports.reading import Source
from attendance.imports.tables import README
from attendance.imports.workbooks import NoWorkbook, sheets, shown

MEGABYTE = 1024 * 1024
MOST_BYTES = 20 * MEGABYTE
"""Of all files of one upload together."""
MOST_FILES = 40
MOST_UNPACKED = 100 * MEGABYTE
MOST_ROWS = 200_000
"""Of all tables together: a worker holds them in memory, 100,000 in less than 500 MB."""
MOST_CELLS = 10_000_000
"""Far more than so many rows have; a single line of nothing but commas would fill the memory."""
MOST_PARTS = 2000
"""Files inside an archive; a workbook has some for each of its sheets."""

ALL = "the files"
ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENTRY = b"PK\x01\x02"
"""Begins each line of an archive's own list of its files."""
WORKBOOK_PART = "xl/workbook.xml"


class Upload(NamedTuple):
    """A file from outside; its name is text to show, never a path."""

    name: str
    data: bytes


class Kind(Enum):
    CSV = "CSV"
    WORKBOOK = "workbook"
    ARCHIVE = "archive"


# --- on arrival ----------------------------------------------------------------------------------


def troubles(uploads: Sequence[Upload]) -> list[Problem]:
    """What stands against taking these files in, seen without reading them through."""
    found = [Problem(one.name, 0, "", reason) for one in uploads if (reason := _trouble(one))]
    if len(uploads) > MOST_FILES:
        found.append(Problem(ALL, 0, "", f"more than {MOST_FILES}: bring them in several times"))
    if sum(len(one.data) for one in uploads) > MOST_BYTES:
        size = MOST_BYTES // MEGABYTE
        found.append(Problem(ALL, 0, "", f"larger than {size} MB: bring them in several times"))
    if sum(unpacked(one) for one in uploads) > MOST_UNPACKED:
        size = MOST_UNPACKED // MEGABYTE
        found.append(Problem(ALL, 0, "", f"larger than {size} MB when they are unpacked"))
    return found


def _trouble(upload: Upload) -> str:
    if not upload.data:
        return "is empty"
    if upload.data.startswith(OLE):
        return (
            "is an old Excel file (.xls) or is locked by a password: save it as .xlsx, "
            "without a password"
        )
    if _is_crowded(upload):
        return f"holds more than {MOST_PARTS:,} files"
    if kind_of(upload) is None:
        return "is no CSV file, no Excel workbook (.xlsx) and no zip of CSV files"
    return ""


def kind_of(upload: Upload) -> Kind | None:
    """By what is in it: a workbook is a zip as well. Text is told by its name."""
    ending = upload.name.lower().rpartition(".")[2]
    if upload.data.startswith(ZIP):
        parts = {part.filename for part in _parts(upload)}
        if WORKBOOK_PART in parts:
            return Kind.WORKBOOK
        return Kind.ARCHIVE if ending == "zip" and parts else None
    return Kind.CSV if ending in ("csv", "txt", "tsv") else None


def unpacked(upload: Upload) -> int:
    """Bytes, as an archive states them; more are never read out of it."""
    if not upload.data.startswith(ZIP):
        return len(upload.data)
    return sum(part.file_size for part in _parts(upload))


def _is_crowded(upload: Upload) -> bool:
    """Counted without opening it: some megabytes can list files enough to fill the memory."""
    return upload.data.startswith(ZIP) and upload.data.count(ENTRY) > MOST_PARTS


def _parts(upload: Upload) -> list[zipfile.ZipInfo]:
    if _is_crowded(upload):
        return []
    try:
        with zipfile.ZipFile(io.BytesIO(upload.data)) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return []


def file_name(name: str) -> str:
    """The last part of a name from outside."""
    return shown(PurePosixPath(name.replace("\\", "/")).name)


# --- kept together -------------------------------------------------------------------------------


def packed(uploads: Iterable[Upload]) -> bytes:
    """Several uploads as one; the same files in the same order give the same bytes."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, upload in enumerate(uploads):
            info = zipfile.ZipInfo(f"{number}/{upload.name}")  # two may have one name
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, upload.data)
    return kept.getvalue()


def unpack(kept: bytes) -> list[Upload]:
    with zipfile.ZipFile(io.BytesIO(kept)) as archive:
        return [
            Upload(info.filename.partition("/")[2], archive.read(info))
            for info in archive.infolist()
        ]


def digest_of(kept: bytes) -> str:
    return hashlib.sha256(kept).hexdigest()


# --- the tables in them --------------------------------------------------------------------------


def sources_of(uploads: Sequence[Upload]) -> list[Source]:
    """Every table of every file. Raises ImportRefused with all that cannot be read as one."""
    refused = troubles(uploads)
    if refused:
        raise ImportRefused(refused)
    found = [one for upload in uploads for one in _opened(upload)]
    sources = [one for one in found if isinstance(one, Source)]
    problems = [one for one in found if isinstance(one, Problem)]
    if not found:
        problems.append(Problem(ALL, 0, "", "hold nothing"))
    for number, most, what in (
        (sum(one.lines for one in sources), MOST_ROWS, "rows"),
        (sum(one.data.count(b",") for one in sources), MOST_CELLS, "cells"),
    ):
        if number > most:
            sentence = f"hold more than {most:,} {what}: bring them in several times"
            problems.append(Problem(ALL, 0, "", sentence))
    if problems:
        raise ImportRefused(problems)
    return sources


def _opened(upload: Upload) -> Iterator[Source | Problem]:
    kind = kind_of(upload)
    if kind is Kind.CSV:
        yield Source(upload.name, upload.data)
    elif kind is Kind.ARCHIVE:
        yield from _unzipped(upload)
    else:
        try:
            yield from sheets(upload.name, upload.data)
        except NoWorkbook:
            sentence = "cannot be read as a workbook: open it in the spreadsheet and save it again"
            yield Problem(upload.name, 0, "", sentence)


def _unzipped(upload: Upload) -> Iterator[Source | Problem]:
    with zipfile.ZipFile(io.BytesIO(upload.data)) as archive:
        for info in archive.infolist():
            if not (info.is_dir() or info.filename == README or _is_of_the_system(info.filename)):
                yield _part(upload.name, archive, info)


def _is_of_the_system(name: str) -> bool:
    """What computers add to folders by themselves."""
    path = PurePosixPath(name)
    return path.parts[:1] == ("__MACOSX",) or path.name.startswith(".") or path.name == "Thumbs.db"


def _part(zip_name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Source | Problem:
    """One file in an archive; the folder that it lies in is of no account."""
    path = PurePosixPath(info.filename.replace("\\", "/"))
    name = f"{zip_name}, {file_name(info.filename)}"
    if path.is_absolute() or ".." in path.parts:
        return Problem(name, 0, "", "has a name that leads out of the archive")
    if path.suffix.lower() != ".csv":
        return Problem(name, 0, "", "is no CSV file; put nothing else into the archive")
    if info.flag_bits & 1:
        return Problem(name, 0, "", "is locked by a password; save it without one")
    try:
        return Source(name, content(archive, info), path.name)
    except DAMAGED:
        return Problem(name, 0, "", "cannot be unpacked: the archive is damaged")
