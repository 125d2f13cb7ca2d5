"""What a new clinic still has to enter before it can plan, treat and record: its first steps."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Exists, Model, OuterRef, Q
from django.urls import reverse
from django.utils.html import format_html

from iop_clinic.accounts.admin.panels import Panel, anchor
from iop_clinic.accounts.models import Clinic, License, Therapist
from iop_clinic.accounts.roles import Can, Role
from patients.models import Episode, Patient, Program
from scheduling.models import Group, GroupMembership, Room, WeeklyBlock

ADMITTED = Q(state__in=[Episode.State.ADMITTED, Episode.State.ON_HOLD, Episode.State.DISCHARGED])


class Step(NamedTuple):
    """Done once the clinic has such a row; `page` of the admin site is where it is made."""

    title: str
    why: str
    model: type[Model]
    page: str
    can: Can
    of: Q = Q()


STEPS = (
    Step("Programs", "what patients are admitted to", Program, "patients_program_add",
         Can.MANAGE_CLINIC),
    Step("Rooms", "where sessions are held", Room, "scheduling_room_add",
         Can.MANAGE_SCHEDULE),
    Step("Therapists", "who leads them", Therapist, "accounts_therapist_add",
         Can.MANAGE_STAFF),
    Step("Their licenses", "nobody leads a session without a valid one: add it on the "
         "therapist’s page", License, "accounts_therapist_changelist", Can.MANAGE_STAFF),
    Step("Groups", "8 to 15 seats each", Group, "scheduling_group_add",
         Can.MANAGE_SCHEDULE),
    Step("Their weekly blocks", "sessions are planned from these, four weeks ahead",
         WeeklyBlock, "scheduling_weeklyblock_new", Can.MANAGE_SCHEDULE),
    Step("Patients", "with phone and what may be said", Patient, "patients_patient_add",
         Can.EDIT_PATIENTS),
    Step("A first admission", "an episode of care with its plan", Episode,
         "patients_episode_add", Can.MANAGE_EPISODES, ADMITTED),
    Step("A first seat", "enrol on the page of the episode", GroupMembership,
         "patients_episode_changelist", Can.BOOK),
)  # fmt: skip


def first_steps(request: Any, clinic: Clinic) -> Panel | None:
    """The steps of a clinic that has not taken all of them; one statement."""
    done = (
        Clinic.objects.filter(pk=clinic.pk).values_list(*(_is_done(step) for step in STEPS)).get()
    )
    if all(done):
        return None
    taken = sum(done)
    return Panel(
        f"First steps: {taken} of {len(STEPS)} done",
        ("Step", "Why", "State"),
        [
            (step.title, step.why, "done" if is_done else _way(request, step))
            for step, is_done in zip(STEPS, done, strict=True)
        ],
        note=_note(request),
    )


def _note(request: Any) -> str:
    said = "In this order each step finds what it needs."
    if not request.user.has_perm(Can.IMPORT):
        return said
    way = anchor(reverse("admin:attendance_dataimport_bring"), "import your lists")
    return format_html("{} What you have in spreadsheets comes in at once: {}.", said, way)


def _is_done(step: Step) -> Exists:
    rows = step.model._default_manager.filter(step.of, clinic=OuterRef("pk"))
    return Exists(rows)


def _way(request: Any, step: Step) -> str:
    if request.user.has_perm(step.can):
        return anchor(reverse(f"admin:{step.page}"), "Do it now")
    return f"an {Role.ADMINISTRATOR.label.lower()} does it"
