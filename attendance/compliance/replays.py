"""Replaying what is stored: each result from its inputs, the last word also from today's facts.

Week by week and some hundred episodes at a time, so that any number of years takes the memory of
one week; five statements for each batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Max, Min, QuerySet

from attendance.compliance.results import Difference, replay_facts, replay_inputs
from attendance.compliance.settings import ClinicSettings, clinic_settings
from attendance.compliance.status import JudgedStandard, weeks_of
from attendance.models import WeekResult
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.weeks import Week, weeks_touching

EPISODES = 500
"""In one batch."""
_HALF_WEEK = timedelta(days=3)

Key = tuple[int, int, date]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A clinic week's results: how many were replayed, and those that differ."""

    week: Week
    results: int
    differing: tuple[tuple[WeekResult, tuple[Difference, ...]], ...]


def replayed_weeks(
    *,
    clinic: Clinic,
    now: datetime,
    first: date | None = None,
    last: date | None = None,
    episode_ids: Sequence[int] | None = None,
) -> Iterator[Replayed]:
    """Every clinic week with a stored result, oldest first, between two inclusive local dates."""
    settings = clinic_settings(clinic)
    rows = WeekResult.objects.in_clinic(clinic)
    if episode_ids is not None:
        rows = rows.filter(episode__in=episode_ids)
    ends = rows.aggregate(first=Min("week_starts_on"), last=Max("segment_ends_on"))
    if ends["first"] is None:
        return
    begin = max(first or ends["first"], ends["first"])
    until = min(last or ends["last"], ends["last"])
    for week in weeks_touching(begin, until, week_start=settings.week_starts_on):
        replayed = _replayed(settings, rows, week, now)
        if replayed.results:
            yield replayed


def _replayed(
    settings: ClinicSettings, rows: QuerySet[WeekResult], week: Week, now: datetime
) -> Replayed:
    # A standard's own week goes with the clinic's week that shares most days with it.
    own = rows.filter(week_starts_on__range=(week.start - _HALF_WEEK, week.end - _HALF_WEEK))
    ids = list(own.order_by("episode").values_list("episode", flat=True).distinct())
    count, differing = 0, []
    for start in range(0, len(ids), EPISODES):
        batch = ids[start : start + EPISODES]
        results = list(own.filter(episode__in=batch).select_related("standard").order_by("pk"))
        count += len(results)
        differing += list(_differing(settings, week, batch, results, now))
    return Replayed(week, count, tuple(differing))


def _differing(
    settings: ClinicSettings,
    week: Week,
    episode_ids: list[int],
    results: list[WeekResult],
    now: datetime,
) -> Iterator[tuple[WeekResult, tuple[Difference, ...]]]:
    judged = _judged_now(settings, week, episode_ids, now)
    last = {_key(row): row.amendment for row in sorted(results, key=lambda one: one.amendment)}
    for row in results:
        found = replay_inputs(row)
        if row.amendment == last[_key(row)]:
            found += replay_facts(row, judged.get(_key(row)))
        if found:
            yield row, tuple(found)


def _judged_now(
    settings: ClinicSettings, week: Week, episode_ids: list[int], now: datetime
) -> dict[Key, JudgedStandard]:
    return {
        (one.episode_id, judged.standard.id, judged.first): judged
        for one in weeks_of(settings, [week], episode_ids, now=now)
        for judged in one.standards
    }


def _key(row: WeekResult) -> Key:
    return row.episode_id, row.standard_id, row.segment_starts_on


def in_words(difference: Difference) -> str:
    """ "credited_minutes: stored 540, replayed 530 from facts"."""
    return (
        f"{difference.field}: stored {difference.stored}, replayed {difference.replayed} "
        f"from {difference.replayed_from}"
    )
