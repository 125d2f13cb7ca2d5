"""What goes into each column, in words: for the page that takes files and the empty workbook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from attendance.imports import cells
from attendance.imports.cells import Choice, Number, Text
from attendance.imports.columns import Column, Table, in_words
from attendance.imports.tables import CLINIC, LONG_LIST, TABLES

GUIDED = (*(table for table in TABLES if table is not CLINIC), LONG_LIST)
"""The clinic's own row is there already."""

PLAIN: Mapping[Any, str] = {
    cells.date: "date, such as 2026-03-31 or 3/31/2026",
    cells.time: "time, such as 09:00 or 9:00 AM",
    cells.exact_time: "time, such as 09:00 or 9:00 AM; seconds may be told",
    cells.moment: "date and time, such as 2026-03-31 09:00",
    cells.yes_no: "yes or no",
    cells.email: "email address",
    cells.phone: "phone number",
    cells.credentials: "credentials of which a leader holds one, such as LCSW, LPC; empty: any",
    cells.breaks: "minutes from the start, such as 50-60 110-120",
}


class Line(NamedTuple):
    """A column: what goes into it, and whether it must be filled or is what rows are known by."""

    name: str
    must: bool
    key: bool
    what: str


def lines(table: Table) -> list[Line]:
    return [Line(one.name, one.required, one.key, what(one)) for one in table.columns]


def what(column: Column) -> str:
    if column.names == "therapists":
        return "email of a therapist"
    if column.names:
        return f"as in {column.names.replace('_', ' ')}"
    read = column.read
    if isinstance(read, Choice):
        return ", ".join(read.options)
    if isinstance(read, Number):
        unit = f" {read.unit}" if read.unit else ""
        return f"whole number{unit}, {read.least} to {read.most:,}"
    if isinstance(read, Text):
        return f"text, up to {read.most} characters"
    return PLAIN[read]


ABOUT = {
    "staff": "who works here, with roles and licenses; only an administrator brings them in",
    "rooms": "where sessions are held",
    "session_types": "kinds of sessions beyond those every clinic has",
    "programs": "what patients are admitted to",
    "payers": "who pays",
    "patients": "who is treated, with phone and what may be said",
    "coverages": "by which payer a patient is covered, from when",
    "episodes": "courses of treatment: referral, admission, discharge",
    "plans": "level, weekly minutes and days of an episode",
    "authorizations": "what a payer approved",
    "certifications": "when the need was certified, and is due again",
    "holds": "hospital, jail or leave",
    "groups": "standing groups of 8 to 15 seats",
    "blocks": "the timetable: weekly sessions of a group, or of one patient",
    "memberships": "who has a seat in which group",
    "waitlist": "who waits for which group",
    "closures": "days on which the clinic is closed",
    "time_off": "when a therapist is away",
    "make_ups": "which session repairs which missed one",
    "attendance": "who came to the sessions of the timetable; found by patient, date and start",
    "long_list": "past attendance in one list, where no timetable is at hand",
}


class Guide(NamedTuple):
    """A table as the page explains it."""

    title: str
    file: str
    about: str
    lines: list[Line]


def guide_to(table: Table) -> Guide:
    title = in_words(table.name).capitalize()
    return Guide(title, table.name, ABOUT[table.name], lines(table))
