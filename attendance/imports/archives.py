"""Zip archives from outside, unpacked in steps and no further than they state.

`ZipFile.read` unpacks a part whole before it cuts it to its stated size: some hundred bytes would
fill any memory. Steps help only with the two ways of packing that programs use for tables.
"""

from __future__ import annotations

import io
import zipfile
import zlib

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others give out all that a step holds, however much that is."""
DAMAGED = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError, OSError
)  # fmt: skip


def content(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bytes:
    """Raises one of DAMAGED for what is not as it states."""
    if part.compress_type not in PACKED:
        raise zipfile.BadZipFile("packed in a way that no spreadsheet program uses")
    with archive.open(part) as file:
        return file.read(part.file_size)


def as_stated(data: bytes) -> bytes:
    """The same archive, for a reader that trusts what archives state; raises as `content` does."""
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(kept, "w") as copy:
        for name, part in archive.NameToInfo.items():  # of two with one name the last counts
            copy.writestr(name, content(archive, part))
    return kept.getvalue()
