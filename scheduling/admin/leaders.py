"""Who may lead: the credentials of a session type, its leaders, and who could stand in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.utils import timezone
from unfold import widgets

from iop_clinic.accounts.admin.forms import ServiceForm, many_field, yes_field
from iop_clinic.accounts.admin.panels import Panel, link, phone_link
from iop_clinic.accounts.models import Clinic, License, Therapist
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date
from scheduling.admin.wording import session_when
from scheduling.leading import LICENSE, licensed_until, not_qualified
from scheduling.models import Session, SessionType
from scheduling.models.places import credentials_in, validate_credentials
from scheduling.services.credentials import (
    Leaderless,
    held_credentials,
    leaderless,
    set_credentials,
)
from scheduling.standing_in import Candidate, leaders_for

SHOWN = 20


# --- a session type ------------------------------------------------------------------------------


class CredentialsField(forms.CharField):
    """Codes as licenses carry them, "LCSW, LPC"; a list in capital letters."""

    widget = widgets.UnfoldAdminTextInputWidget

    def to_python(self, value: Any) -> Any:
        return credentials_in(str(value or ""))


class LeadersForm(ServiceForm):
    title = "Say who may lead it"
    path = "leaders"
    can = Can.MANAGE_CLINIC
    looks_ahead = True
    explanation = (
        "Who leads it holds a license of one of these. None: any license, or staff without one."
    )
    row: SessionType
    held = many_field((), "Led by")
    others = CredentialsField(
        label="Or by",
        required=False,
        max_length=200,
        validators=[validate_credentials],
        help_text="What no therapist here holds yet, as licenses carry it.",
    )
    unheld = yes_field("Nobody holds it yet: ask for it all the same")

    def narrow(self) -> None:
        """With the codes of the clinic's own licenses; one statement."""
        field: Any = self.fields["held"]
        known = held_credentials(self.clinic)
        field.choices = [(code, code) for code in known]
        asked = self.row.credentials
        self.start_with(
            held=[code for code in asked if code in known],
            others=", ".join(code for code in asked if code not in known),
        )

    @property
    def _asked(self) -> dict[str, Any]:
        given = self.cleaned_data
        codes = list(dict.fromkeys([*given["held"], *given["others"]]))
        return {"session_type": self.row, "credentials": codes, "unheld": given["unheld"]}

    def ahead(self) -> Sequence[Panel]:
        return list(_lost_panels(leaderless(**self._asked, user=self.user)))

    def run(self) -> str:
        kind = set_credentials(**self._asked, by=self.user)
        led_by = " or ".join(kind.credentials) or "any license, or staff without one"
        return f"{kind} is led by {led_by}."


def _lost_panels(lost: Leaderless) -> Iterator[Panel]:
    """What nobody qualified would lead any more; nothing where nothing changes."""
    if not (lost.blocks or lost.sessions):
        return
    yield Panel(
        f"Weekly blocks that nobody qualified would lead: {len(lost.blocks)}",
        ("Weekly block", "Why"),
        [(link(one, f"{one.group or one.session_type}, {one}"), why.removeprefix(LICENSE))
         for one, why in lost.blocks[:SHOWN]],
        empty="None.",
        note=_and_more(lost.blocks),
    )  # fmt: skip
    yield Panel(
        f"Sessions to come that would need cover: {len(lost.sessions)}",
        ("Session", "Why"),
        [(link(one, session_when(one)), why.removeprefix(LICENSE))
         for one, why in lost.sessions[:SHOWN]],
        empty="None.",
        note=_and_more(lost.sessions),
    )  # fmt: skip


def _and_more(rows: Sequence[object]) -> str:
    return f"The first {SHOWN} are shown." if len(rows) > SHOWN else ""


def leaders_panel(request: Any, row: SessionType) -> Panel:
    """Everybody on the staff, who may lead first; two statements."""
    lines = [
        (trouble != "", (link(one), trouble.removeprefix(LICENSE) or "yes", until))
        for one, trouble, until in _asked(request, row)
    ]
    lines.sort(key=lambda line: line[0])
    return Panel(
        "Who may lead it today",
        ("Therapist", "May lead", "Licensed until"),
        [line for _, line in lines],
        empty="No therapist yet.",
        note=f"{_asks_for(row)} A co-facilitator needs no credential: they work under the "
        "facilitator’s supervision.",
    )


def _asks_for(row: SessionType) -> str:
    codes = " or ".join(row.credentials)
    return f"Asked for: {codes}." if codes else "Asked for: any license, or staff without one."


def _asked(request: Any, row: SessionType) -> Iterator[tuple[Therapist, str, str]]:
    staff = Therapist.objects.visible_to(request.user).filter(clinic=row.clinic_id, active=True)
    for one in staff.prefetch_related("licenses"):
        yield one, *_told(one, list(one.licenses.all()), row, row.clinic)


def _told(
    therapist: Therapist, own: Sequence[License], kind: SessionType, clinic: Clinic
) -> tuple[str, str]:
    """Why the therapist may not lead the type today, or until when they are licensed for it."""
    today = timezone.localdate()
    if trouble := not_qualified(therapist, own, kind, clinic.state, today):
        return trouble, ""
    until = licensed_until(own, kind, clinic.state, today)
    return "", full_date(until) if until else "needs no license"


def may_lead_panel(request: Any, row: Therapist) -> Panel:
    """Which types of sessions a therapist may lead today, and why not the others."""
    kinds = SessionType.objects.visible_to(request.user).filter(clinic=row.clinic_id, active=True)
    own = list(row.licenses.all())
    told = [(kind, *_told(row, own, kind, row.clinic)) for kind in kinds]
    return Panel(
        "May lead",
        ("Sessions", "May lead", "Licensed until"),
        [(link(kind), why.removeprefix(LICENSE) or "yes", until) for kind, why, until in told],
        empty="No session type yet.",
        folded=True,
    )


# --- who could stand in --------------------------------------------------------------------------


def candidates(session: Session) -> list[Candidate]:
    return leaders_for(session.clinic, [session])[session.pk]


def candidate_choices(found: Sequence[Candidate]) -> list[Any]:
    """Of a select: whoever is free and qualified above the others."""
    free = [(one.therapist.pk, str(one.therapist)) for one in found if not one.trouble]
    others = [(one.therapist.pk, str(one.therapist)) for one in found if one.trouble]
    groups = (("Free and qualified", free), ("Others", others))
    return [("", "Select …"), *(group for group in groups if group[1])]


def candidate_panels(found: Sequence[Candidate]) -> Iterator[Panel]:
    """Whom to call, and why the others cannot."""
    yield Panel(
        "Free and qualified",
        ("Therapist", "Phone"),
        [
            (link(one.therapist), phone_link(one.therapist.phone) if one.therapist.phone else "")
            for one in found
            if not one.trouble
        ],
        empty="Nobody.",
    )
    others = [(link(one.therapist), one.trouble) for one in found if one.trouble]
    if others:
        yield Panel("Others", ("Therapist", "Why not"), others, folded=True)
