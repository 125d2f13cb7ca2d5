"""From the text of one cell to a value. Every reader raises BadCell with a sentence for people.

Dates and times are read as this product writes them and as spreadsheets of the United States save
them (11/2/2026, 9:00 AM), because opening a file there and saving it again must not spoil it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from scheduling.models.places import CODE, credentials_in

Reader = Callable[[str], Any]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
MARKED = re.compile("'+ *[-=+@\t\r]")
"""Text that would be taken for a formula, marked as text with an apostrophe (exports do so)."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LINE_BREAK = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")
DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
HIDDEN = (
    (LINE_BREAK, "holds a line break; keep it on one line"),
    (re.compile("\t"), "holds a tab"),
    (CONTROL, "holds a control character, such as NUL"),
    (DIRECTION, "holds an invisible character that turns the direction of text"),
)
ERRORS = frozenset(
    ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!")
)
"""What a spreadsheet shows where a formula found no value."""
UNDECODED = re.compile("[\udc80-\udcff]")
LONGEST_CELL = 10_000
LONGEST_NUMBER = 9
"""Digits."""


class BadCell(ValueError):
    """The text of a cell cannot be what its column asks for."""


def clean(text: str, *, may_start_with: str = "") -> str:
    """The cell without surrounding blanks. Refuses what no cell may hold, whatever its column."""
    if UNDECODED.search(text):
        raise BadCell("not UTF-8 text; save the file as “CSV UTF-8”")
    if len(text) > LONGEST_CELL:
        raise BadCell(f"longer than {LONGEST_CELL} characters")
    start = text.lstrip(" ")
    if MARKED.match(start):
        text = start[1:]
    elif start.startswith(FORMULA) and start[0] not in may_start_with:
        raise BadCell(f"starts with {start[0]!r}, as a spreadsheet formula does")
    # Blanks and line ends around it are a spreadsheet's, and go.
    value = text.strip(" \r\n\t\u00a0")
    for pattern, sentence in HIDDEN:
        if pattern.search(value):
            raise BadCell(sentence)
    if value in ERRORS:
        raise BadCell(f"“{value}” is a spreadsheet’s error, not a value")
    return value.strip()


@dataclass(frozen=True, slots=True)
class Text:
    """At most so many characters."""

    most: int

    def __call__(self, value: str) -> str:
        if len(value) > self.most:
            raise BadCell(f"longer than {self.most} characters")
        return value


def phone(value: str) -> str:
    if not re.fullmatch(r"[0-9+(). x/-]{3,30}", value):
        raise BadCell(f"“{value}” is not a phone number")
    return value


def email(value: str) -> str:
    try:
        validate_email(value)
    except ValidationError:
        raise BadCell(f"“{value}” is not an email address") from None
    return value.lower()


def yes_no(value: str) -> bool:
    answer = {"yes": True, "no": False}.get(value.lower())
    if answer is None:
        raise BadCell(f"“{value}” is neither yes nor no")
    return answer


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number from `least` to `most`; `unit` is for people."""

    least: int
    most: int
    unit: str = ""

    def __call__(self, value: str) -> int:
        of = f" of {self.unit}" if self.unit else ""
        if re.fullmatch(r"-[0-9.]+", value):
            raise BadCell(f"give a whole number{of}, {self.least} or more")
        if not re.fullmatch(r"[0-9]+", value):
            raise BadCell(f"“{value}” is not a whole number")
        if len(value.lstrip("0")) > LONGEST_NUMBER:
            raise BadCell(f"“{value[:30]}” is too large; the most is {self.most}")
        if not self.least <= int(value) <= self.most:
            raise BadCell(f"{int(value)} is not between {self.least} and {self.most}")
        return int(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words, each with the value that is stored for it."""

    options: Mapping[str, Any]

    def __call__(self, value: str) -> Any:
        found = self.options.get(value.lower().replace(" ", "_"))
        if found is None:
            raise BadCell(f"“{value}” is none of {', '.join(self.options)}")
        return found


_ISO = re.compile(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})")
_US = re.compile(r"(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})/(?P<y>[0-9]{4})")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?: ?([AaPp])[Mm])?")


_MIDNIGHT = re.compile(r"[ T]0?0:00(?::00)?$")


def date(value: str) -> datetime.date:
    """A date; databases and workbooks write midnight after it."""
    value = _MIDNIGHT.sub("", value)
    found = _ISO.fullmatch(value) or _US.fullmatch(value)
    if found is None:
        raise BadCell(f"“{value}” is not a date such as 2026-03-31")
    try:
        return datetime.date(int(found["y"]), int(found["m"]), int(found["d"]))
    except ValueError:
        raise BadCell(f"“{value}” is not in the calendar") from None


def time(value: str) -> datetime.time:
    """A wall time at a whole minute, as sessions begin and end."""
    read = exact_time(value)
    if read.second:
        raise BadCell(f"“{value}” is not a time such as 09:00")
    return read


def exact_time(value: str) -> datetime.time:
    """A wall time of what happened; seconds may be told."""
    found = _CLOCK.fullmatch(value)
    if found is None:
        raise BadCell(f"“{value}” is not a time such as 09:00")
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    half = (found[4] or "").lower()
    if max(minute, second) > 59 or hour > 23 or (half and not 1 <= hour <= 12):
        raise BadCell(f"“{value}” is not on the clock")
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return datetime.time(hour, minute, second)


def moment(value: str) -> datetime.datetime:
    """A wall time with its date, still without a zone: only the clinic's row knows that."""
    day, _, clock = value.replace("T", " ", 1).partition(" ")
    if not clock:
        raise BadCell(f"“{value}” is not a date and time such as 2026-03-31 09:00")
    return datetime.datetime.combine(date(day), exact_time(clock.strip()))


def credentials(value: str) -> list[str]:
    """`LCSW, LPC`: codes as licenses carry them, in capital letters whatever the cell has."""
    codes = credentials_in(value)
    for code in codes:
        if not CODE.fullmatch(code):
            raise BadCell(f"“{code[:30]}” is not a credential such as LCSW")
    return codes


def breaks(value: str) -> list[list[int]]:
    """`50-60 110-120`: minutes from the start, in order and apart."""
    pairs: list[list[int]] = []
    reached = 0
    for part in value.replace(",", " ").replace(";", " ").split():
        found = re.fullmatch(r"([0-9]{1,3})-([0-9]{1,3})", part)
        if found is None:
            raise BadCell(f"“{part}” is not a break such as 50-60 (minutes from the start)")
        start, end = int(found[1]), int(found[2])
        if start < reached or end <= start:
            raise BadCell(f"the break {part} is not after the one before it, or ends too early")
        pairs.append([start, end])
        reached = end
    return pairs
