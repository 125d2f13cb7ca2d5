"""What is done with an episode on this floor: papers, admission, plan, authorization."""

from __future__ import annotations

from django.utils import timezone

from iop_clinic.accounts.admin.forms import (
    ServiceForm,
    choice_field,
    date_field,
    level_field,
    note_field,
    number_field,
    row_field,
    text_field,
    yes_field,
)
from iop_clinic.accounts.models import License, Therapist
from iop_clinic.accounts.roles import Can
from iop_clinic.accounts.weeks import full_date
from patients import services
from patients.admin.care import Care
from patients.models import AgeBracket, Authorization, Episode, Level, Payer
from patients.rules import ADOLESCENT, IOP, OF_AGE, WEEKLY_MINUTES, age_on

State = Episode.State
IN_TREATMENT = (State.ADMITTED, State.ON_HOLD)
AFTER_DAILY_WORK = 40
"""What is done once at the beginning stands behind the verbs of every day afterwards."""
COMPLETE = "All papers are there: the patient can be admitted."


class EpisodeForm(ServiceForm):
    """A verb for episodes that have not ended."""

    can = Can.MANAGE_EPISODES
    row: Episode

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state != State.DISCHARGED

    def still_missing(self) -> str:
        missing = services.missing_papers(self.row)
        return services.missing_said(missing) if missing else COMPLETE


class PaperForm(EpisodeForm):
    """Papers come first until the patient is admitted."""

    @classmethod
    def rank(cls, row: Episode) -> int:
        return cls.order if row.state == State.REFERRED else cls.order + AFTER_DAILY_WORK


class EvaluateForm(PaperForm):
    title = "Enter the evaluation"
    path = "evaluate"
    order = 10
    evaluated_on = date_field()
    evaluator = row_field(Therapist.objects.filter(active=True))
    recommended_level = level_field(Level.choices, initial=Level.IOP)
    summary = note_field()

    def run(self) -> str:
        services.evaluate(episode=self.row, by=self.user, **self.given)
        return f"The evaluation is entered. {self.still_missing()}"


class DiagnoseForm(PaperForm):
    title = "Enter a diagnosis"
    path = "diagnose"
    order = 11
    code = text_field("ICD-10 code", max_length=10)
    description = text_field(required=False)
    diagnosed_on = date_field()
    license = row_field(
        License.objects.filter(may_diagnose=True).select_related("therapist"),
        "Under the license",
    )

    def narrow(self) -> None:
        self.fields["license"].label_from_instance = (  # type: ignore[attr-defined]
            lambda row: f"{row.therapist.name}: {row}"
        )

    def run(self) -> str:
        diagnosis = services.diagnose(episode=self.row, by=self.user, **self.given)
        return f"The diagnosis {diagnosis.code} is entered. {self.still_missing()}"


class AgreementForm(PaperForm):
    title = "Note the program agreement"
    path = "agreement"
    order = 12
    explanation = "The patient's signed commitment to the program's hours."
    signed_on = date_field()
    weekly_minutes = number_field("Minutes a week", initial=540, min_value=1, max_value=2400)
    guardian_signed = yes_field("A guardian signed too")

    def run(self) -> str:
        services.sign_agreement(episode=self.row, by=self.user, **self.given)
        return f"The agreement is noted. {self.still_missing()}"


class AdmitForm(EpisodeForm):
    title = "Admit"
    path = "admit"
    order = 20
    button = "Admit the patient"
    versioned = True
    admitted_on = date_field("Admitted on", help_text="The first day inside the program.")

    @classmethod
    def offered(cls, row: Episode) -> bool:
        return row.state == State.REFERRED

    def introduction(self) -> str:
        return self.still_missing()

    def run(self) -> str:
        day = self.cleaned_data["admitted_on"]
        Care.admit(episode=self.row, admitted_on=day, by=self.user, version=self.version)
        return f"{self.row.patient} is admitted on {full_date(day)}. Next: set the treatment plan."


class PlanForm(PaperForm):
    title = "Set the plan"
    path = "plan"
    order = 21
    explanation = "The plan in force ends on the eve of the new one."
    starts_on = date_field()
    level = level_field(Level.choices, "Level of care", initial=Level.IOP)
    age_bracket = level_field(AgeBracket.choices, initial=AgeBracket.ADULT)
    weekly_minutes_target = number_field("Minutes a week", initial=540)
    days_per_week = number_field(initial=3)
    review_due_on = date_field("Review by", required=False)

    def narrow(self) -> None:
        """A minor starts from the figures of adolescents (R2)."""
        today = timezone.localdate(timezone=self.clinic.tz)
        if age_on(self.row.patient.birth_date, today) < OF_AGE:
            least = WEEKLY_MINUTES[IOP, ADOLESCENT].least
            self.start_with(age_bracket=AgeBracket.ADOLESCENT, weekly_minutes_target=least)

    def run(self) -> str:
        plan = Care.set_plan(episode=self.row, by=self.user, **self.given)
        return f"The plan is set: {plan}. Next: enrol the patient in a group."


class AuthorizeForm(EpisodeForm):
    title = "Enter an authorization"
    path = "authorize"
    order = 40
    can = Can.MANAGE_AUTHORIZATIONS
    payer = row_field(Payer.objects.all())
    number = text_field(max_length=60)
    level = level_field(Level.choices, "Level of care", initial=Level.IOP)
    unit = choice_field(Authorization.Unit.choices, initial=Authorization.Unit.DAY)
    units = number_field("How many", min_value=1, max_value=1000)
    starts_on = date_field()
    ends_on = date_field("Last day")
    next_review_on = date_field("Next review", required=False)

    def run(self) -> str:
        row = Care.authorize(episode=self.row, by=self.user, **self.given)
        return f"{row} covers {row.units} {row.get_unit_display()} until {full_date(row.ends_on)}."


class CertifyForm(EpisodeForm):
    title = "Note a certification"
    path = "certify"
    order = 42
    explanation = "A physician's statement that this level is still needed, every 60 days at least."
    can = Can.MANAGE_AUTHORIZATIONS
    certified_on = date_field()
    due_again_on = date_field(
        "Due again", required=False, help_text="Empty: as the patient's payer asks."
    )
    certified_by = text_field("Physician", max_length=120, required=False)

    def run(self) -> str:
        row = Care.certify(episode=self.row, by=self.user, **self.given)
        return f"Certified. The next one is due on {full_date(row.due_again_on)}."


class MandateForm(EpisodeForm):
    title = "Note a court mandate"
    path = "mandate"
    order = 43
    court = text_field(max_length=120)
    reference = text_field(max_length=60, required=False)
    starts_on = date_field()
    ends_on = date_field("Last day", required=False)

    def run(self) -> str:
        Care.mandate(episode=self.row, by=self.user, **self.given)
        return "The mandate is noted. Absences of this patient wait for proof."


EPISODE_VERBS: tuple[type[ServiceForm], ...] = (
    EvaluateForm,
    DiagnoseForm,
    AgreementForm,
    AdmitForm,
    PlanForm,
    AuthorizeForm,
    CertifyForm,
    MandateForm,
)
