"""Planning a session: before anybody steps out of another one for it, what that changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils import timezone

from attendance.admin.cancelling import change_said, effects_said
from attendance.visits_ahead import StepsOut, visit_impact
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.reads import note_read
from iop_clinic.accounts.weeks import clock_time
from scheduling.admin import sessions
from scheduling.admin.wording import session_when
from scheduling.models import Booking


class PlanSessionForm(sessions.PlanSessionForm):
    """Takes the place of the form below, which does not know what a week adds up to."""

    looks_ahead = True

    def ahead(self) -> Sequence[Panel]:
        """Only where somebody leaves a session for another one."""
        plan = self.plan()
        patients = plan.pop("episodes")
        if not patients:
            return ()
        note_read(patients[0], by=self.user)
        found = visit_impact(episode=patients[0], **plan)
        return [_panel(found)] if found else ()


def _panel(found: StepsOut) -> Panel:
    effect = found.week.first
    reach = change_said(effect.at_most_before, effect.at_most_after)
    return Panel(
        "The patient steps out",
        ("Out of", "For", "From – to"),
        [_line(one) for one in found.visits],
        note=f"{' '.join(_counted(found))} The week can reach: {reach}; "
        f"{'; '.join(effects_said(found.week))}.",
    )


def _line(visit: Booking) -> tuple[str, str, str]:
    assert visit.nested_in is not None
    times = (clock_time(timezone.localtime(at)) for at in (visit.starts_at, visit.ends_at))
    return session_when(visit.nested_in.session), visit.session.title, " – ".join(times)


def _counted(found: StepsOut) -> Iterator[str]:
    """Each kind of visit once: its minutes leave the session around it."""
    for kind in dict.fromkeys(one.session.session_type for one in found.visits):
        if kind.creditable:
            yield f"These minutes leave the session and count once, as {kind}."
        else:
            yield f"These minutes leave the session, and {kind} counts for none."
