"""The one test behind every door: who may sit where."""

import datetime
from typing import Any

import pytest

from iop_clinic.accounts.acting import Refused
from patients.models import AgeBracket, Episode, KeepApart, Level
from scheduling import services
from scheduling.eligibility import check_eligible
from scheduling.models import Booking, Group
from tests import factories as f
from tests.scheduling.conftest import TODAY, World

DAY = datetime.timedelta(days=1)


def refusal(**asked: Any) -> tuple[str, str]:
    asked.setdefault("on", TODAY)
    with pytest.raises(Refused) as caught:
        check_eligible(**asked)
    return caught.value.code, caught.value.message


def apart(one: Episode, other: Episode, **extra: Any) -> None:
    low, high = sorted([one.patient_id, other.patient_id])
    KeepApart.objects.create(
        clinic=one.clinic, patient_id=low, other_id=high, reason="Assault", **extra
    )


def test_an_adult_of_the_program_fits(world: World) -> None:
    check_eligible(episode=world.episode(), group=world.group, on=TODAY)


def test_a_referral_is_not_in_treatment(world: World) -> None:
    referral = f.EpisodeFactory(clinic=world.clinic, patient__clinic=world.clinic)
    code, message = refusal(episode=referral, group=world.group)
    assert (code, message) == ("not_active", "The patient is not in treatment on Mon Mar 2.")


def test_the_day_before_admission_is_refused_and_the_day_itself_is_not(world: World) -> None:
    episode = world.episode(on=TODAY)
    assert refusal(episode=episode, group=world.group, on=TODAY - DAY)[0] == "not_active"
    check_eligible(episode=episode, group=world.group, on=TODAY)


def test_the_day_after_discharge_is_refused_and_the_day_itself_is_not(world: World) -> None:
    episode = world.episode()
    episode.state, episode.discharged_on = Episode.State.DISCHARGED, TODAY
    episode.discharge_reason = "completed"
    episode.save()
    check_eligible(episode=episode, group=world.group, on=TODAY)
    assert refusal(episode=episode, group=world.group, on=TODAY + DAY)[0] == "not_active"


def test_nobody_is_booked_after_their_death(world: World) -> None:
    patient = f.PatientFactory(clinic=world.clinic, deceased_on=TODAY)
    assert refusal(episode=world.episode(patient=patient), group=world.group)[0] == "not_active"


def test_another_program(world: World) -> None:
    episode = world.episode(program=f.ProgramFactory(clinic=world.clinic))
    code, message = refusal(episode=episode, group=world.group)
    assert (code, message) == (
        "not_suitable",
        f"{world.group} belongs to another program. Choose another group.",
    )


def test_another_level_of_care(world: World) -> None:
    group = f.GroupFactory(clinic=world.clinic, program=world.program, level=Level.PHP)
    assert refusal(episode=world.episode(), group=group)[0] == "not_suitable"


def test_no_plan_in_force(world: World) -> None:
    episode = world.episode()
    episode.plans.update(ends_on=TODAY - DAY)
    code, message = refusal(episode=episode, group=world.group)
    assert code == "not_suitable"
    assert "no treatment plan on Mon Mar 2" in message


def test_an_adolescent_is_not_seated_with_adults(world: World) -> None:
    patient = f.PatientFactory(clinic=world.clinic, birth_date=datetime.date(2010, 1, 1))
    episode = world.episode(patient=patient, target=360, bracket=AgeBracket.ADOLESCENT)
    assert refusal(episode=episode, group=world.group)[0] == "not_suitable"
    check_eligible(episode=episode, group=_young_group(world), on=TODAY)


def test_a_minor_is_a_minor_whatever_the_plan_says(world: World) -> None:
    patient = f.PatientFactory(clinic=world.clinic, birth_date=TODAY.replace(year=2008, day=3))
    episode = world.episode(patient=patient)
    assert refusal(episode=episode, group=world.group)[0] == "not_suitable"
    check_eligible(episode=episode, group=world.group, on=TODAY + DAY)


def test_the_plan_decides_until_when_an_adult_counts_as_an_adolescent(world: World) -> None:
    patient = f.PatientFactory(clinic=world.clinic, birth_date=datetime.date(2007, 1, 1))
    episode = world.episode(patient=patient, target=360, bracket=AgeBracket.ADOLESCENT)
    check_eligible(episode=episode, group=_young_group(world), on=TODAY)
    assert refusal(episode=episode, group=world.group)[0] == "not_suitable"


def test_a_group_for_one_population_is_chosen(world: World) -> None:
    group = _women(world)
    assert refusal(episode=world.episode(), group=group)[0] == "not_suitable"
    check_eligible(episode=world.episode(), group=group, on=TODAY, population_opt_in=True)


def test_who_chose_such_a_group_may_visit_another_one(world: World) -> None:
    episode = world.episode()
    services.enrol(
        group=_women(world), episode=episode, starts_on=TODAY, population_opt_in=True, by=world.by
    )
    session = world.session(group=_women(world))
    check_eligible(episode=episode, session=session, on=TODAY)


def test_two_who_are_kept_apart_never_share_a_group(world: World) -> None:
    one, other = world.episodes(2)
    apart(one, other)
    services.enrol(group=world.group, episode=other, starts_on=TODAY + 9 * DAY, by=world.by)
    code, message = refusal(episode=one, group=world.group)
    assert (code, message) == (
        "not_suitable",
        "The patient cannot be seated here. Ask the coordinator.",
    )
    check_eligible(episode=one, group=world.group, on=TODAY, until=TODAY + 8 * DAY)


def test_nor_a_session_that_one_of_them_visits(world: World) -> None:
    one, other = world.episodes(2)
    apart(one, other)
    session = world.group_session("2026-03-09")
    f.booking(session, other)
    assert refusal(episode=one, session=session, on=session.local_date)[0] == "not_suitable"
    assert refusal(episode=one, group=world.group)[0] == "not_suitable"
    check_eligible(episode=one, session=world.group_session("2026-03-16"), on=TODAY)


def test_a_withdrawn_booking_or_an_ended_pair_keeps_nobody_apart(world: World) -> None:
    one, other, third = world.episodes(3)
    apart(one, other)
    apart(one, third, ends_on=TODAY - DAY)
    session = world.session()
    f.booking(session, other, state=Booking.State.WITHDRAWN, withdrawn_reason="Plan")
    f.booking(session, third, seat=2)
    check_eligible(episode=one, session=session, on=TODAY)


def test_minors_and_adults_never_share_a_single_session(world: World) -> None:
    patient = f.PatientFactory(clinic=world.clinic, birth_date=datetime.date(2010, 1, 1))
    young = world.episode(patient=patient, target=360, bracket=AgeBracket.ADOLESCENT)
    session = world.session()
    check_eligible(episode=young, session=session, on=TODAY)
    f.booking(session, world.episode())
    code, message = refusal(episode=young, session=session)
    assert (code, message) == (
        "not_suitable",
        "Minors are never seated with adults. Choose another group or session.",
    )


def test_a_member_passes_after_a_change_of_level(world: World) -> None:
    episode, session = world.episode(), world.group_session()
    services.enrol(group=world.group, episode=episode, starts_on=TODAY, by=world.by)
    episode.plans.update(level=Level.OP, least_weekly_minutes=0, weekly_minutes_target=300)
    check_eligible(episode=episode, session=session, on=TODAY)
    assert refusal(episode=episode, group=world.group)[0] == "not_suitable"


def _young_group(world: World) -> Group:
    return f.GroupFactory(
        clinic=world.clinic, program=world.program, age_bracket=AgeBracket.ADOLESCENT
    )


def _women(world: World) -> Group:
    return f.GroupFactory(
        clinic=world.clinic, program=world.program, population=Group.Population.WOMEN
    )
