"""Which standard judges a number and which rule opened a case, with a link to each."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from attendance.compliance.settings import DatedStandard
from attendance.models import AbsenceRule, Flag
from iop_clinic.accounts.admin.panels import anchor, link

LIST = "admin:attendance_absencerule_changelist"


def standard_link(standard: DatedStandard, text: str = "") -> str:
    address = reverse("admin:attendance_standard_change", args=[standard.id])
    return anchor(address, text or standard.name)


class RuleBook:
    """The rules of a clinic that opened some kinds of cases; one statement for all of them."""

    def __init__(self, clinic_id: int, kinds: Iterable[int]) -> None:
        rows = AbsenceRule.objects.filter(clinic=clinic_id, kind__in=set(kinds))
        self.rows = list(rows.order_by("kind", "-starts_on", "pk"))

    def on(self, kind: int, day: datetime.date) -> list[AbsenceRule]:
        """Those of a kind in force on a local date; there may be several with other numbers."""
        return [one for one in self.rows if one.kind == kind and _in_force(one, day)]

    def link(self, kind: int, day: datetime.date) -> str:
        """To the one rule in force; to all of the kind where several are, or none is any more."""
        found = self.on(kind, day)
        if len(found) == 1:
            return link(found[0])
        label = AbsenceRule.Kind(kind).label
        return anchor(f"{reverse(LIST)}?kind__exact={kind}", label)


def rule_of(flag: Flag) -> str:
    """The rule that opened a case, as a link; one statement."""
    return RuleBook(flag.clinic_id, [flag.rule]).link(flag.rule, flag.opened_for)


def rules_today(clinic_id: int, *kinds: int) -> list[AbsenceRule]:
    """The rules of some kinds in force on the clinic's local date; one statement."""
    today = timezone.localdate()
    rows = AbsenceRule.objects.filter(clinic=clinic_id, kind__in=kinds, starts_on__lte=today)
    kept = rows.filter(Q(ends_on__isnull=True) | Q(ends_on__gte=today))
    return list(kept.order_by("kind", "times", "pk"))


def _in_force(rule: AbsenceRule, day: datetime.date) -> bool:
    return rule.starts_on <= day and (rule.ends_on is None or rule.ends_on >= day)
