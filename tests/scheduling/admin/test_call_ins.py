"""The sick call at the admin site: what it frees, and taking it back."""

from __future__ import annotations

import pytest
from django.utils import timezone

from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, CallIn
from tests.admin import desk, url
from tests.scheduling.admin.planned import NEXT, enrolled


def call(**extra: object) -> dict[str, object]:
    return {
        "from_date": NEXT,
        "to_date": NEXT,
        "reason": "illness",
        "notified_at": ("2026-03-02", "07:00"),
        **extra,
    }


def test_a_call_in_frees_the_seats_and_keeps_the_patient_expected(world):
    front = desk(world.clinic, Role.FRONT_DESK)
    episode = enrolled(world, front)
    answer = front.fill(episode, "call-in", **call())
    row = CallIn.objects.get()
    assert row.notified_at == world.at("2026-03-02", "07:00")
    assert (row.taken_by, row.bookings.get().state) == (front.user, "released")
    said, _, link = answer.sentences[0].partition(" <a")
    assert said == (
        "Noted for Mon Mar 9: 1 booking released. The patient stays on the rosters as expected."
    )
    assert f'href="{url(row, "change")}"' in link


def test_a_call_is_about_today_unless_somebody_says_otherwise(world):
    front = desk(world.clinic, Role.FRONT_DESK)
    form = front.open(enrolled(world, front), "call-in").context["form"]
    today = timezone.localdate(timezone=world.clinic.tz)
    assert (form["from_date"].value(), form["to_date"].value()) == (today, today)


def test_boxes_write_dates_and_times_as_people_here_do(world):
    front = desk(world.clinic, Role.FRONT_DESK)
    page = front.open(enrolled(world, front), "call-in", to_date="2026-03-09")
    html = page.content.decode()
    assert 'name="from_date" value="03/02/2026"' in html
    assert 'name="to_date" value="03/09/2026"' in html
    assert 'name="notified_at_1" value="07:00 AM"' in html


@pytest.mark.parametrize("typed", ["3/9/2026", "3/9/26", "Mar 9, 2026", "2026-03-09"])
def test_a_date_is_read_as_it_is_written_here_or_printed(world, coordinator, typed):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call(from_date=typed))
    assert CallIn.objects.get().from_date == NEXT


def test_the_same_call_is_noted_once(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    answer = coordinator.fill(episode, "call-in", **call())
    assert answer.errors == {
        "from_date": [
            (
                "A call-in for these days stands already: Mon Mar 9. "
                "Take it back first if it was wrong."
            )
        ]
    }
    assert CallIn.objects.count() == 1


def call_ins(at, episode):
    (panel,) = [
        one for one in at.open(episode, "change").context["panels_above"] if one.title == "Call-ins"
    ]
    return panel.rows


def test_the_page_of_an_episode_shows_its_calls_and_where_to_take_them_back(world):
    front = desk(world.clinic, Role.FRONT_DESK)
    episode = enrolled(world, front)
    front.fill(episode, "call-in", **call())
    row = CallIn.objects.get()
    ((dates, *told, take_back),) = call_ins(front, episode)
    assert url(row, "change") in dates
    assert told == ["Illness", "Mon Mar 2, 7:00 AM EST", front.user, "stands"]
    assert url(row, "take-back") in take_back
    front.fill(row, "take-back")
    ((_, *_, standing, take_back),) = call_ins(front, episode)
    assert (standing, take_back) == (f"taken back Mar 2 by {front.user}", "")


def test_who_may_not_take_calls_sees_them_without_the_way_back(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    reviewer = desk(world.clinic, Role.UTILIZATION_REVIEW)
    ((*_, standing, take_back),) = call_ins(reviewer, episode)
    assert (standing, take_back) == ("stands", "")


def test_the_list_of_calls_says_which_are_taken_back(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    coordinator.fill(CallIn.objects.get(), "take-back")
    coordinator.fill(episode, "call-in", **call(reason="court"))
    html = coordinator.open(CallIn).content.decode()
    assert f"taken back Mar 2 by {coordinator.user}" in html
    standing = coordinator.open(CallIn, state="stands").context["cl"].queryset
    assert [row.reason for row in standing] == ["court"]


def test_a_released_booking_leads_to_its_call(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    row = CallIn.objects.get()
    html = coordinator.open(row.bookings.get(), "change").content.decode()
    assert url(row, "change") in html


def test_taking_back_says_what_another_call_still_covers(world, coordinator):
    episode = enrolled(world, coordinator)
    coordinator.fill(episode, "call-in", **call())
    coordinator.fill(episode, "call-in", **call(to_date="2026-03-10"))
    answer = coordinator.fill(CallIn.objects.earliest("pk"), "take-back")
    assert answer.sentences == [
        (
            f"Taken back: 0 bookings again. Another call-in stands for {world.group.name}, "
            "Mon Mar 9, 9:00 AM."
        )
    ]
    assert Booking.objects.get(session__local_date=NEXT).state == "released"


def test_a_call_in_with_its_days_the_wrong_way_round_is_refused(world, coordinator):
    episode = enrolled(world, coordinator)
    answer = coordinator.fill(episode, "call-in", **call(to_date="2026-03-08"))
    assert answer.errors == {"to_date": ["The last day lies before the first. Look at both."]}
    assert not CallIn.objects.exists()


def test_the_form_names_the_zone_of_its_times(world, coordinator):
    html = coordinator.open(world.episode(), "call-in").content.decode()
    assert "America/New_York time." in html
