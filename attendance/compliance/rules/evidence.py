"""A case's evidence as lines that people read. Pure."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from iop_clinic.accounts.weeks import hours_and_minutes, long_date

MINUTES = frozenset(
    {
        *("credited", "attended", "scheduled", "judged", "at_least", "at_most", "minimum"),
        *("maximum", "prorated_minimum", "minutes_to_go", "make_up_minutes", "target"),
        *("plan_target", "over_by", "below_by", "short_by", "day_threshold", "threshold"),
    }
)
"""Keys whose numbers are minutes; what ends in `_minutes` is too."""
LABELS = {
    "at_least": "Sure so far",
    "prorated_minimum": "Minimum, prorated",
    "prorated_days": "Days asked for",
    "make_up_minutes": "Only by make-up",
    "minutes_to_go": "To go",
    "source": "Asked by",
    "basis": "Counted",
    "reached_on": "Limit reached on",
    "missing": "Not recorded",
    "unrecorded": "Sessions not recorded",
}
ORDER = (
    *("standard", "week", "basis", "credited", "at_least", "at_most", "minimum"),
    *("prorated_minimum", "minutes_to_go", "make_up_minutes", "qualifying_days", "prorated_days"),
)
"""Facts of a week in the order in which they are read; others follow as they are stored."""
UNSAID = frozenset({"session", "make_up", "stage", "source"})
"""Keys of rows that have their own line, and words that the sentence says."""
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


def evidence_lines(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each fact with its label: ("Credited", "6 h 50"), ("Days", "Mon Mar 2; Wed Mar 4")."""
    keys = [key for key in ORDER if key in evidence]
    keys += [key for key in evidence if key not in ORDER]
    return [
        (LABELS.get(key, _label(key)), _words(key, evidence[key]))
        for key in keys
        if key not in UNSAID and not _says_nothing(evidence, key)
    ]


def _says_nothing(evidence: Mapping[str, Any], key: str) -> bool:
    """Empty, an id, or the same as another line."""
    value = evidence[key]
    same_as = {"at_least": "credited", "at_most": "credited", "prorated_minimum": "minimum"}.get(
        key, ""
    )
    if value in (None, "", [], {}) or _is_id(value):
        return True
    if key == "unrecorded":
        return bool(value == 0)
    return bool(same_as in evidence and evidence[same_as] == value)


def _label(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _words(key: str, value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() if key in MINUTES or key.endswith("_minutes"):
            return hours_and_minutes(value)
        case str() if _ISO_DATE.fullmatch(value):
            day = date.fromisoformat(value)
            return f"{long_date(day)}, {day.year}"
        case list():
            return "; ".join(_words(key, one) for one in value)
        case dict():
            return ", ".join(f"{_label(k).lower()} {_words(k, v)}" for k, v in value.items())
    return str(value).replace("_", " ")


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None
