"""What a row of a file and the clinic's own row say, where they say two things."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

KEPT = "Kept as it is in the clinic"
LONGEST = 60
"""Characters of one value."""


def two_values(told: Any, kept: Any, names: Mapping[Any, Any] | None = None) -> str:
    """ "12 in the file, 10 in the clinic"; `names` are those of a column's choices."""
    return f"{_word(told, names or {})} in the file, {_word(kept, names or {})} in the clinic"


def another(told: Any) -> str:
    """Of a value that stands for a row: which one the clinic has is on the row's page."""
    return f"{_word(told, {})} in the file, another in the clinic"


def sentence(different: Mapping[str, str]) -> str:
    """All that differs in a row, by column; a single column is named beside it."""
    said = [f"{column}: {both}" for column, both in different.items()]
    return f"{'; '.join(said) if len(said) > 1 else next(iter(different.values()))}. {KEPT}"


def _word(value: Any, names: Mapping[Any, Any]) -> str:
    if value in (None, "", []):
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime.datetime):
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M}"
    if isinstance(value, datetime.time):
        return f"{value:%H:%M}"
    if isinstance(value, list):  # credentials, or breaks
        return " ".join(one if isinstance(one, str) else "-".join(map(str, one)) for one in value)
    text = str(names.get(value, value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
