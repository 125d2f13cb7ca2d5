"""Every day and week of a hard demo clinic, as the product says and as recomputed by minutes."""

import ast
import datetime
import sys
from pathlib import Path

import pytest
from django.db import transaction

from attendance.compliance.days import day_lines
from attendance.compliance.evaluation import reevaluate
from attendance.compliance.replays import replayed_weeks
from attendance.compliance.results import replay
from attendance.compliance.status import week_statuses
from attendance.demo import files, loading
from attendance.models import WeekResult
from iop_clinic.accounts.models import Clinic
from patients.models import Episode
from tests.proof import raw, recomputed
from tests.proof.twisted import JOB, Twist

DAY = datetime.timedelta(days=1)
BACK, AHEAD = 12, 3
"""Clinic weeks that are compared, before the current one and after it."""
CASES = [
    # Clocks went back on November 2; a Saturday, all of the week's groups over.
    (1, datetime.datetime(2025, 11, 22, 20, tzinfo=datetime.UTC)),
    # Clocks went forward on March 9; a Wednesday, in the middle of a group.
    (2, datetime.datetime(2025, 4, 16, 14, 30, tzinfo=datetime.UTC)),
    # The year before had 53 weeks; a Monday.
    (3, datetime.datetime(2021, 1, 11, 22, tzinfo=datetime.UTC)),
]


class Demo:
    """A loaded and twisted clinic, its product's answers, and the recomputation of its rows."""

    def __init__(self, folder: Path, seed: int, now: datetime.datetime) -> None:
        with pytest.MonkeyPatch.context() as patched:
            # Its standards are about to be replaced, which a judged week would refuse.
            patched.setattr(loading, "MORNINGS", 0)
            loading.load_demo(folder=folder, now=now, seed=seed)
        self.clinic = Clinic.objects.get(name=files.NAME)
        self.seed, self.now = seed, now
        twist = Twist(self.clinic, seed, now)
        twist.all()
        self.first = twist.monday - BACK * 7 * DAY
        self.weeks = [self.first + n * 7 * DAY for n in range(BACK + 1 + AHEAD)]
        rows = Episode.objects.filter(clinic=self.clinic)
        self.episodes = list(rows.values_list("pk", flat=True))
        self.clinic.refresh_from_db()
        self.again = recomputed.Recomputed(self.clinic.pk)
        reevaluate(clinic=self.clinic, episode_ids=self.episodes, by=JOB, now=now, since=self.first)

    def product(self, now):
        return week_statuses(
            clinic=self.clinic, episode_ids=self.episodes, weeks=self.weeks, now=now
        )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(case, marks=[] if case is CASES[0] else pytest.mark.soak, id=f"seed {case[0]}")
        for case in CASES
    ],
)
def demo(request, django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock(), transaction.atomic():
        yield Demo(tmp_path_factory.mktemp("demo"), *request.param)
        transaction.set_rollback(True)


MOMENTS = pytest.mark.parametrize("ago", [0, 3, 10.4], ids=["now", "3 days ago", "10 days ago"])


@MOMENTS
def test_every_patient_day_is_the_same(demo, db, ago):
    now = demo.now - ago * DAY
    last = demo.weeks[-1] + 6 * DAY
    lines = day_lines(clinic=demo.clinic, first=demo.first, last=last, now=now)
    names = (
        *("scheduled", "attended", "credited", "attended_open", "credited_open", "cancelled"),
        *("unrecorded", "upcoming", "services", "services_open"),
    )
    said = {
        (line.episode_id, line.local_date, line.session_type_id): {
            name: getattr(line, name) for name in names
        }
        for line in lines
    }
    expected = {
        key: vars(row) for key, row in demo.again.days(now).items() if demo.first <= key[1] <= last
    }
    assert len(said) > 3000
    assert differing(said, expected) == ""


@MOMENTS
def test_every_week_and_standard_is_the_same(demo, db, ago):
    now = demo.now - ago * DAY
    said = {
        (week.episode_id, one.standard.id, one.first): {
            "last": one.last,
            "at_least": one.judgement.at_least,
            "at_most": one.judgement.at_most,
            "minimum": one.prorated_minimum,
            "days_wanted": one.judgement.prorated_days,
            "days": one.judgement.days_qualifying,
            "days_at_most": one.judgement.days_at_most,
            "minutes_status": one.minutes_status.value,
            "days_status": one.days_status.value,
            "over": one.judgement.over_maximum,
            "qualifying": [day.local_date for day in one.judgement.days if day.qualifies],
        }
        for week in demo.product(now).values()
        for one in week.standards
    }
    expected = demo.again.weeks(demo.first, len(demo.weeks), now)
    assert len(said) > 1000
    names = next(iter(said.values())).keys()
    assert differing(said, figures(expected, names)) == ""


def test_the_clinic_leaves_no_rule_untried(demo, db):
    weeks = demo.again.weeks(demo.first, len(demo.weeks), demo.now)
    tried = {row.name for row in demo.again.standards if any(row.id == key[1] for key in weeks)}
    assert tried >= {row.name for row in demo.again.standards} - {"Adolescent PHP 2.5"}
    found = {(row.minutes_status, row.days_status) for row in weeks.values()}
    assert found >= {("met", "met"), ("short", "short"), ("open", "open"), ("met", "short")}
    assert {row.over for row in weeks.values()} == {True, False}
    assert len({row.minimum for row in weeks.values()}) > 20
    assert len(demo.again.visits) > 60


def differing(said, expected):
    """A line for what only one side has and for each figure on which they disagree."""
    lines = [
        f"{named(key)}: {'product' if key in said else 'recomputed'} only"
        for key in said.keys() ^ expected.keys()
    ]
    lines += [
        f"{named(key)} {figure}: product {said[key][figure]}, recomputed {value}"
        for key in said.keys() & expected.keys()
        for figure, value in expected[key].items()
        if said[key][figure] != value
    ]
    return "\n".join(sorted(lines))


def figures(rows, names):
    return {key: {name: getattr(row, name) for name in names} for key, row in rows.items()}


def named(key):
    return " ".join(str(part) for part in key)


def test_every_stored_result_is_the_same(demo, db):
    expected = demo.again.weeks(demo.first, len(demo.weeks), demo.now)
    own = demo.first - 3 * DAY  # a standard's week may begin so much before the clinic's
    stored = WeekResult.objects.filter(clinic=demo.clinic, week_starts_on__gte=own)
    assert stored.count() > 1000
    said = {
        (row.episode_id, row.standard_id, row.segment_starts_on): {
            "last": row.segment_ends_on,
            "at_least": row.judged_minutes,
            "minimum": row.prorated_minimum,
            "days_wanted": row.prorated_days,
            "days": row.qualifying_days,
            "minutes_status": row.minutes_status,
            "days_status": row.days_status,
            "over": row.over_maximum,
        }
        for row in stored
    }
    names = next(iter(said.values())).keys()
    final = {
        key: row
        for key, row in expected.items()
        if row.ended and "open" not in (row.minutes_status, row.days_status)
    }
    assert differing(said, figures(final, names)) == ""


def test_every_stored_result_replays(demo, db):
    weeks = list(replayed_weeks(clinic=demo.clinic, now=demo.now))
    assert sum(week.results for week in weeks) > 1000
    assert [week.differing for week in weeks if week.differing] == []


def test_stored_results_replay_one_by_one(demo, db):
    """Each of them in the long runs, a tenth of them otherwise."""
    rows = WeekResult.objects.filter(clinic=demo.clinic).order_by("pk")
    chosen = rows if demo.seed > 1 else list(rows)[::10]
    assert [(row.pk, found) for row in chosen if (found := replay(row, now=demo.now))] == []


@pytest.mark.parametrize("module", [recomputed, raw], ids=["recomputed", "raw"])
def test_the_recomputation_stands_on_nothing_of_the_product(module):
    tree = ast.parse(Path(module.__file__).read_text())
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or node.names[0].name]
    }
    allowed = {"tests.proof.raw", "django.db", "collections.abc", "__future__"}
    assert imported - allowed <= sys.stdlib_module_names
