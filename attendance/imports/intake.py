"""One import on its way in: what is known, what was found wrong, and how rows reach the database.

Every row goes through the same three steps: its names are resolved, it is compared with the row of
the same key that the clinic has, or it is inserted. What the database refuses (an overlap, a seat
above capacity) is narrowed down to its row by halving, and becomes a problem like any bad cell.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DataError, IntegrityError, transaction
from django.db.models import ForeignKey, Model
from django.utils import timezone

from attendance.imports.columns import Table, folded
from attendance.imports.differences import another, sentence, two_values
from attendance.imports.problems import Problem
from attendance.imports.reading import Reading, Row
from attendance.imports.tables import ATTENDANCE, EPISODES, MAKE_UPS, PLANS, STAFF, TABLES
from iop_clinic.accounts.acting import Job
from iop_clinic.accounts.constraints import violation
from iop_clinic.accounts.models import Clinic, User
from iop_clinic.accounts.weeks import no_such_time
from patients.models import Episode

AT_ONCE = 1000
Key = Any


@dataclass(slots=True)
class Counts:
    created: int = 0
    unchanged: int = 0
    differs: int = 0

    def __str__(self) -> str:
        return f"created {self.created}, unchanged {self.unchanged}, differs {self.differs}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A row of a file beside the row of the database that it is to become."""

    row: Row
    instance: Any
    key: Key


@dataclass
class Intake:
    clinic: Clinic
    reading: Reading
    by: User | Job
    now: datetime.datetime
    progress: Callable[[int], object]
    problems: list[Problem] = field(default_factory=list)
    opened: bool = False
    """Whether the clinic was opened by these very files."""
    counts: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    differing: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    known: dict[str, dict[Key, Any]] = field(default_factory=lambda: defaultdict(dict))
    """By table: the clinic's rows by folded key, those of this import included."""
    episodes: dict[Key, list[Episode]] = field(default_factory=lambda: defaultdict(list))
    """By record number."""
    created: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._mentioned = {
            table.name: {row.key[0]: row for row in self.reading.of(table)} for table in TABLES
        }
        self._mentioned["therapists"] = self._mentioned[STAFF.name]
        self._broken = self.reading.broken | (
            {"therapists"} if STAFF.name in self.reading.broken else set()
        )
        self._unsure = {folded(row["record_number"]) for row in self.bad_rows(EPISODES)}

    def bad_rows(self, table: Table) -> list[Row]:
        return [row for row in self.reading.of(table) if row.bad]

    @property
    def today(self) -> datetime.date:
        return self.now.astimezone(self.clinic.tz).date()

    def instant(self, wall: datetime.datetime) -> datetime.datetime:
        return wall.replace(tzinfo=self.clinic.tz).astimezone(datetime.UTC)

    def rows(self, table: Table) -> Iterator[Row]:
        """The rows that are good so far."""
        return self.told([row for row in self.reading.of(table) if not row.bad])

    def readable(self, table: Table) -> list[Row]:
        """The rows of which some cells can be judged, even where others are bad."""
        return [row for row in self.reading.of(table) if not row.torn]

    def told(self, rows: Iterable[Row]) -> Iterator[Row]:
        """These rows one by one, with word of each to whoever follows the import."""
        for row in rows:
            self.progress(1)
            yield row

    def refuse(self, row: Row, column: str, reason: str) -> None:
        self.problems.append(row.problem(column, reason))
        self.doubt(row)

    def doubt(self, row: Row) -> None:
        """Leave a row out without a problem of its own: another row's problem is its reason."""
        row.bad = True
        if row.table is EPISODES:
            self._unsure.add(folded(row["record_number"]))

    def unsure(self, record: Key) -> bool:
        """Whether an episode of this patient may stand in a row that is wrong."""
        if EPISODES.name in self._broken or record in self._unsure:
            return True
        # An episode under a record number that nobody has may be of a patient without any.
        if not self._unsure or self.episodes.get(record):
            return False
        return (
            not self._unsure <= self.known["patients"].keys() | self._mentioned["patients"].keys()
        )

    def plan_unsure(self, record: Key) -> bool:
        """Whether a plan of this patient may stand in a row that is wrong."""
        bad = (folded(row["record_number"]) for row in self.bad_rows(PLANS))
        return PLANS.name in self._broken or record in bad

    def skipped(self, wall: datetime.datetime) -> str:
        """A sentence if the clocks of the clinic leave this wall time out."""
        return no_such_time(wall.date(), wall.time(), self.clinic.tz)

    # --- names -----------------------------------------------------------------------------------

    def check_names(self) -> None:
        """Names in rows that were left out for another cell, and in those that come last."""
        for table in TABLES:
            last = table in (MAKE_UPS, ATTENDANCE)
            columns = [column.name for column in table.columns if column.names]
            for row in self.reading.of(table) if last else self.bad_rows(table):
                for name in columns if not row.torn else ():
                    self.named(row, name)

    def named(self, row: Row, column: str) -> Any:
        """The row that a cell names; a problem if nobody knows the name, None if it is empty.

        A name whose own row or file is bad is not reported a second time.
        """
        value = row[column]
        if value is None:
            return None
        table = row.table.by_name[column].names
        found = self.known[table].get(folded(value))
        if found is None:
            origin = self._mentioned.get(table, {}).get(folded(value))
            if table in self._broken or (origin is not None and origin.bad):
                self.doubt(row)
            elif origin is not None:
                self.refuse(row, column, f"“{value}” is no {_ONE.get(table, table)}")
            else:
                self.refuse(row, column, f"unknown {_ONE.get(table, table)} “{value}”")
        return found

    def episode_on(self, row: Row, column: str, *, from_referral: bool = False) -> Episode | None:
        """The patient's episode that covers the date in `column`, or else a problem."""
        if self.named(row, "record_number") is None or row[column] is None:
            return None
        day, record = row[column], folded(row["record_number"])
        covering = [
            episode
            for episode in self.episodes[record]
            if _begins(episode, from_referral) <= day
            and (episode.discharged_on is None or day <= episode.discharged_on)
        ]
        if covering:
            # Of a referral that overlaps the stay before it, the stay is meant.
            return max(covering, key=lambda e: (_begins(e) <= day, _begins(e, from_referral)))
        if self.unsure(record):
            self.doubt(row)
        else:
            self.refuse(row, column, f"the patient has no episode of care on {day}")
        return None

    def fields(self, row: Row, model: type[Model]) -> dict[str, Any]:
        """The row's values by field of the model, names resolved; `row.bad` if one is unknown."""
        names = {field.name for field in model._meta.concrete_fields}
        values = {}
        for column in row.table.columns:
            if row[column.name] is None or column.fills not in names:
                continue
            value = self.named(row, column.name) if column.names else row[column.name]
            if isinstance(value, datetime.datetime):
                skipped = self.skipped(value)
                if skipped:
                    self.refuse(row, column.name, skipped)
                value = self.instant(value)
            values[column.fills] = value
        return values

    # --- rows ------------------------------------------------------------------------------------

    def draft(self, row: Row, model: type[Model], key: Key = None, **values: Any) -> Draft | None:
        """The unsaved row with the clinic and its checked fields; None if something is wrong."""
        values = self.fields(row, model) | values
        if row.bad:
            return None
        instance = model(clinic=self.clinic, **values)
        self._check(row, instance)
        return None if row.bad else Draft(row, instance, row.key if key is None else key)

    def _check(self, row: Row, instance: Any) -> None:
        """Validators of the fields and the model; keys and constraints are the database's."""
        relations = {f.name for f in instance._meta.concrete_fields if isinstance(f, ForeignKey)}
        columns = {column.fills: column.name for column in row.table.columns}
        # `clean` first: it fills what a model derives from its other fields.
        for check in (instance.clean, lambda: instance.clean_fields(exclude=relations)):
            try:
                check()
            except ValidationError as error:
                wrong: Mapping[str, list[str]] = (
                    error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
                )
                for name, sentences in wrong.items():
                    column = "" if name == NON_FIELD_ERRORS else columns.get(name, name)
                    self.refuse(row, column, " ".join(sentences))
                return

    def settle(
        self, table: Table, drafts: Iterable[Draft | None], existing: Mapping[Key, Any]
    ) -> list[Draft]:
        """Insert the drafts whose key is new and compare the others; the inserted ones."""
        new = []
        for draft in drafts:
            if draft is None:
                continue
            stored = existing.get(draft.key)
            if stored is None:
                new.append(draft)
            else:
                self.compared(draft.row, self.differences(draft, stored))
        written = []
        for start in range(0, len(new), AT_ONCE):
            written += self.attempt(new[start : start + AT_ONCE], _insert)
        self.counts[table.file].created += len(written)
        self.created[table.name] += [draft.instance for draft in written]
        return written

    def differences(self, draft: Draft, stored: Any) -> dict[str, str]:
        """What both say, by the columns of the file in which the stored row is another."""
        present = self.reading.columns[draft.row.table.name]
        fields = {field.name: field for field in type(stored)._meta.concrete_fields}
        found = (
            (column, fields[column.fills])
            for column in draft.row.table.columns
            if column.name in present and column.fills in fields and not column.key
        )
        return {
            column.name: said
            for column, field in found
            if (said := self._difference(draft.row[column.name], field, draft.instance, stored))
        }

    def _difference(self, cell: Any, field: Any, new: Any, stored: Any) -> str:
        told, kept = getattr(new, field.attname), getattr(stored, field.attname)
        if isinstance(kept, datetime.datetime):  # files tell no fractions of a second
            kept = kept.replace(microsecond=0)
        if told == kept:
            return ""
        if field.is_relation:
            return another(cell)
        with timezone.override(self.clinic.tz):
            return two_values(told, kept, dict(field.flatchoices))

    def compared(self, row: Row, different: Mapping[str, str]) -> None:
        counts = self.counts[row.table.file]
        if different:
            counts.differs += 1
            found = Problem(row.file, row.line, ", ".join(different), sentence(different))
            self.differing.append(found)
        else:
            counts.unchanged += 1

    def attempt(self, drafts: Sequence[Draft], write: Callable[[list[Any]], object]) -> list[Draft]:
        """Write all at once; what the database refuses is found by halving. Those written.

        Of two rows that exclude each other the later one is refused.
        """
        if not drafts:
            return []
        try:
            with transaction.atomic():
                write([draft.instance for draft in drafts])
            return list(drafts)
        except (IntegrityError, DataError) as error:
            if len(drafts) == 1:
                broken = violation(error)
                reason = broken.message if broken else "the database refuses this row"
                self.refuse(drafts[0].row, "", reason)
                return []
        half = len(drafts) // 2
        return self.attempt(drafts[:half], write) + self.attempt(drafts[half:], write)


_ONE = {
    "programs": "program", "payers": "payer", "patients": "patient", "groups": "group",
    "rooms": "room", "session_types": "session type", "therapists": "therapist",
}  # fmt: skip


def _begins(episode: Episode, from_referral: bool = False) -> datetime.date:
    if from_referral:
        return episode.referred_on
    return episode.admitted_on or datetime.date.max


def _insert(instances: list[Any]) -> None:
    type(instances[0])._default_manager.bulk_create(instances)
