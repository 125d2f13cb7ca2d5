"""What can be chosen for an export: one table, or the whole clinic."""

from __future__ import annotations

from attendance.exports import facts, people, places
from attendance.exports.sources import Source
from attendance.imports.tables import TABLES

WHOLE = "whole"
"""Every table of the import format: with these files a clinic can leave, or come back."""

SECTIONS: tuple[tuple[str, tuple[Source, ...]], ...] = (
    (
        "Patients",
        (
            people.PATIENTS,
            people.EPISODES,
            people.COVERAGES,
            people.PLANS,
            people.AUTHORIZATIONS,
            people.CERTIFICATIONS,
            people.HOLDS,
        ),
    ),
    ("Attendance and cases", (facts.ATTENDANCE, facts.MAKE_UPS, facts.CASES)),
    (
        "Groups and schedule",
        (
            places.GROUPS,
            places.BLOCKS,
            places.MEMBERSHIPS,
            places.WAITLIST,
            facts.SESSIONS,
            places.CLOSURES,
            places.TIME_OFF,
        ),
    ),
    ("Lists", (places.ROOMS, places.SESSION_TYPES, people.PROGRAMS, people.PAYERS)),
)
SOURCES = {one.table.name: one for _, sources in SECTIONS for one in sources}
OF_THE_WHOLE = tuple(
    {**SOURCES, "clinic": places.CLINIC, "staff": places.STAFF}[table.name] for table in TABLES
)


def chosen(kind: str) -> tuple[Source, ...]:
    return OF_THE_WHOLE if kind == WHOLE else (SOURCES[kind],)
