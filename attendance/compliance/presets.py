"""Standards to begin with, each with the rule it stands on.

The figures are what most programs work by, entered as dated rows of the clinic's own; nothing is
judged by this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from attendance.models import Standard
from patients.models import AgeBracket, Level


@dataclass(frozen=True, slots=True)
class Preset:
    """`figures` are fields of Standard; `source` is the rule and where it is written."""

    key: str
    source: str
    figures: dict[str, Any]
    hint: str = ""

    @property
    def title(self) -> str:
        return str(self.figures["name"])


ADULT_IOP = Preset(  # R1, R4
    key="adult-iop",
    source="9 h a week, 20 h is the next level (DC 22-A6329; Virginia 12VAC35-105-1740; "
    "NC 8A-12; Noridian). Three days of 3 h (Virginia; NC; HCPCS H0015).",
    figures={
        "name": "Adult IOP 2.1",
        "level": Level.IOP,
        "age_bracket": AgeBracket.ADULT,
        "min_minutes": 540,
        "max_minutes": 1200,
        "day_threshold": 180,
        "min_days": 3,
    },
)
ADOLESCENT_IOP = Preset(  # R2, R4
    key="adolescent-iop",
    source="6 h a week (Kansas R03704; DC; NC). Three days, of 2 h for adolescents.",
    figures={
        "name": "Adolescent IOP 2.1",
        "level": Level.IOP,
        "age_bracket": AgeBracket.ADOLESCENT,
        "min_minutes": 360,
        "max_minutes": 1200,
        "day_threshold": 120,
        "min_days": 3,
    },
)
ADULT_PHP = Preset(  # R1
    key="adult-php",
    source="20 h a week or more is level 2.5 (DC 22-A6329; Virginia 12VAC35-105-1740). Days "
    "and hours a day are the usual timetable: five of 4 h.",
    figures={
        "name": "Adult PHP 2.5",
        "level": Level.PHP,
        "age_bracket": AgeBracket.ADULT,
        "min_minutes": 1200,
        "max_minutes": None,
        "day_threshold": 240,
        "min_days": 5,
    },
)
ADOLESCENT_PHP = Preset(
    key="adolescent-php",
    source=ADULT_PHP.source,
    figures={
        **ADULT_PHP.figures,
        "name": "Adolescent PHP 2.5",
        "age_bracket": AgeBracket.ADOLESCENT,
    },
)
MEDICARE = Preset(  # R6
    key="medicare",
    source="9 h a week, needed anew at least every 60 days; paid by the day in tiers of 3 and "
    "of 4 or more services (NAHRI; CGS). A day counts here by 3 services, whatever its minutes.",
    figures={
        "name": "Medicare IOP",
        "source": Standard.Source.PAYER,
        "level": Level.IOP,
        "age_bracket": AgeBracket.ADULT,
        "min_minutes": 540,
        "max_minutes": None,
        "day_threshold": 0,
        "min_days": 3,
        "services_per_day": 3,
        "prorate": False,
    },
    hint="Choose the payer, and set 60 days between certifications on the payer's own page.",
)

PRESETS = (ADULT_IOP, ADOLESCENT_IOP, ADULT_PHP, ADOLESCENT_PHP, MEDICARE)
OF_A_NEW_CLINIC = (ADULT_IOP, ADOLESCENT_IOP, ADULT_PHP, ADOLESCENT_PHP)
"""Outpatient treatment (OP 1) has no weekly minimum, so no standard."""


def preset(key: str) -> Preset | None:
    return next((one for one in PRESETS if one.key == key), None)
