"""Facts in a few words each, as a list of terms: the head of the page, and whom to call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from iop_clinic.accounts.admin.panels import Panel


@dataclass(frozen=True)
class Facts(Panel):
    """`facts` are terms with what is said of them; `state` stands beside the title."""

    template: ClassVar[str] = "attendance/patient/facts.html"
    facts: Sequence[tuple[str, Any]] = ()
    state: str = ""


@dataclass(frozen=True)
class Head(Facts):
    """The facts above everything else on the page."""

    leads: ClassVar[bool] = True
