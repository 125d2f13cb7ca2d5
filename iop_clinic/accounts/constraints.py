"""Database rules that Django has no class for, as named constraints beside the model they guard.

Each of them is created by a migration like any other constraint, carries the message a person
sees, and is enforced by PostgreSQL for every path: service, admin, raw SQL, import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.backends.ddl_references import Columns, Statement, Table
from django.db.models import BaseConstraint, DateField, DateTimeField, Func, IntegerField, Value
from django.db.models.expressions import Combinable


class _SqlConstraint(BaseConstraint):
    """A constraint that is written as SQL after its table exists.

    Parent tables must exist before a foreign key or trigger can name them, so the statement is
    deferred to the end of the migration, as Django does for its own foreign keys.
    """

    def constraint_sql(self, model, schema_editor):  # type: ignore[no-untyped-def]
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))

    def validate(self, model, instance, exclude=None, using="default"):  # type: ignore[no-untyped-def]
        """The database decides; services translate its answer (see `violation`)."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash(self.name)


class SameClinic(_SqlConstraint):
    """Composite foreign key: the row's clinic and `field` name one row of the parent table.

    Without it a row of one clinic could point at a row of another (invariant 7). `copies` maps own
    columns to parent columns that travel along: when the parent's change, PostgreSQL cascades them
    (a moved session moves its bookings without a trigger).
    """

    def __init__(
        self,
        *,
        field: str,
        name: str,
        copies: Mapping[str, str] | None = None,
        violation_error_message: str | None = None,
    ) -> None:
        self.field = field
        self.copies = dict(copies or {})
        super().__init__(
            name=name,
            violation_error_code="other_clinic",
            violation_error_message=violation_error_message
            or f"The {field.replace('_', ' ')} belongs to another clinic or does not exist.",
        )

    def create_sql(self, model, schema_editor):  # type: ignore[no-untyped-def]
        parent = model._meta.get_field(self.field).remote_field.model

        def columns(owner: Any, names: Sequence[str]) -> list[str]:
            return [owner._meta.get_field(name).column for name in names]

        own = columns(model, ["clinic", self.field, *self.copies])
        target = columns(parent, ["clinic", "id", *self.copies.values()])
        return Statement(
            "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s FOREIGN KEY (%(columns)s) "
            "REFERENCES %(parent)s (%(target)s)%(cascade)s",
            table=Table(model._meta.db_table, schema_editor.quote_name),
            name=schema_editor.quote_name(self.name),
            columns=Columns(model._meta.db_table, own, schema_editor.quote_name),
            parent=Table(parent._meta.db_table, schema_editor.quote_name),
            target=Columns(parent._meta.db_table, target, schema_editor.quote_name),
            cascade=" ON UPDATE CASCADE" if self.copies else "",
        )

    def remove_sql(self, model, schema_editor):  # type: ignore[no-untyped-def]
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=Table(model._meta.db_table, schema_editor.quote_name),
            name=schema_editor.quote_name(self.name),
        )

    def validate(self, model, instance, exclude=None, using="default"):  # type: ignore[no-untyped-def]
        parent_id = getattr(instance, model._meta.get_field(self.field).attname)
        if parent_id is None or instance.clinic_id is None or self.field in (exclude or ()):
            return
        parent = getattr(instance, self.field)
        if parent.clinic_id != instance.clinic_id:
            raise ValidationError(
                {self.field: self.get_violation_error_message()}, code=self.violation_error_code
            )

    def deconstruct(self):  # type: ignore[no-untyped-def]
        path, args, kwargs = super().deconstruct()
        kwargs.pop("violation_error_code", None)
        kwargs["field"] = self.field
        if self.copies:
            kwargs["copies"] = self.copies
        return path, args, kwargs


def same_clinic(model: str, *fields: str) -> list[SameClinic]:
    """The plain `SameClinic` constraint for each of the model's foreign keys."""
    return [SameClinic(field=field, name=f"{model}_{field}_same_clinic") for field in fields]


class Trigger(_SqlConstraint):
    """A rule that needs another row: a trigger function raises the constraint's name.

    The function is created by the app's first migration; `events` is the part between the
    trigger's name and ON, such as `BEFORE INSERT OR UPDATE OF seat`. `on` names another model as
    "app.Model" when the trigger stands on its table: so a floor guards its rows against what is
    done to the rows below them.
    """

    def __init__(
        self,
        *,
        name: str,
        function: str,
        events: str,
        on: str = "",
        violation_error_code: str | None = None,
        violation_error_message: str | None = None,
    ) -> None:
        self.function = function
        self.events = events
        self.on = on
        super().__init__(
            name=name,
            violation_error_code=violation_error_code,
            violation_error_message=violation_error_message,
        )

    def create_sql(self, model, schema_editor):  # type: ignore[no-untyped-def]
        return Statement(
            f"CREATE TRIGGER %(name)s {self.events} ON %(table)s "
            f"FOR EACH ROW EXECUTE FUNCTION {self.function}()",
            name=schema_editor.quote_name(self.name),
            table=self._table(model, schema_editor),
        )

    def remove_sql(self, model, schema_editor):  # type: ignore[no-untyped-def]
        return Statement(
            "DROP TRIGGER %(name)s ON %(table)s",
            name=schema_editor.quote_name(self.name),
            table=self._table(model, schema_editor),
        )

    def _table(self, model: Any, schema_editor: Any) -> Table:
        # In a migration the models are those of its moment, found among the same ones.
        owner = model._meta.apps.get_model(self.on) if self.on else model
        return Table(owner._meta.db_table, schema_editor.quote_name)

    def deconstruct(self):  # type: ignore[no-untyped-def]
        path, args, kwargs = super().deconstruct()
        kwargs |= {"function": self.function, "events": self.events}
        if self.on:
            kwargs["on"] = self.on
        return path, args, kwargs


class Audited(_SqlConstraint):
    """Every insert, update and delete of the table becomes an AuditEvent (invariant 8).

    Statement triggers with transition tables: raw SQL and bulk writes are seen too, at the cost of
    one extra INSERT a statement. `hidden` names columns whose values must not be copied.
    """

    EVENTS = (
        ("insert", "REFERENCING NEW TABLE AS new_rows"),
        ("update", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        ("delete", "REFERENCING OLD TABLE AS old_rows"),
    )

    def __init__(self, *, name: str, hidden: Sequence[str] = ()) -> None:
        self.hidden = list(hidden)
        super().__init__(name=name)

    def create_sql(self, model, schema_editor):  # type: ignore[no-untyped-def]
        arguments = ", ".join(f"'{column}'" for column in self.hidden)
        return Statement(
            "; ".join(
                f"CREATE TRIGGER {self.name}_{event} AFTER {event.upper()} ON %(table)s "
                f"{tables} FOR EACH STATEMENT EXECUTE FUNCTION iop_audit({arguments})"
                for event, tables in self.EVENTS
            ),
            table=Table(model._meta.db_table, schema_editor.quote_name),
        )

    def remove_sql(self, model, schema_editor):  # type: ignore[no-untyped-def]
        return Statement(
            "; ".join(f"DROP TRIGGER {self.name}_{event} ON %(table)s" for event, _ in self.EVENTS),
            table=Table(model._meta.db_table, schema_editor.quote_name),
        )

    def deconstruct(self):  # type: ignore[no-untyped-def]
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "hidden": self.hidden}


# --- ranges for exclusion constraints, without the btree_gist extension -------------------------


class SameValue(Func):
    """`int8range(x, x, '[]')`: overlap of two such ranges is equality of two integers.

    A NULL would be an unbounded range that collides with everything: give the constraint a
    condition that the field is not null.
    """

    function = "INT8RANGE"
    output_field = IntegerField()

    def __init__(self, field: str | Combinable, **extra: Any) -> None:
        super().__init__(field, field, Value("[]"), **extra)


class TimeSpan(Func):
    """The half-open instants [start, end): 9-10 and 10-11 both fit."""

    function = "TSTZRANGE"
    output_field = DateTimeField()

    def __init__(self, start: str = "starts_at", end: str = "ends_at", **extra: Any) -> None:
        super().__init__(start, end, Value("[)"), **extra)


class DateSpan(Func):
    """The inclusive local dates [start, end]; an empty end is open."""

    function = "DATERANGE"
    output_field = DateField()

    def __init__(self, start: str = "starts_on", end: str = "ends_on", **extra: Any) -> None:
        super().__init__(start, end, Value("[]"), **extra)


# --- what the database answered -------------------------------------------------------------------


class Violation(NamedTuple):
    """A refused write in words: the constraint's name, a code for clients, a message for people."""

    name: str
    code: str
    message: str


def violation(error: DatabaseError) -> Violation | None:
    """The named constraint behind a database error, or None if the error names none."""
    diagnosis = getattr(error.__cause__, "diag", None)
    name = getattr(diagnosis, "constraint_name", None)
    if not name:
        return None
    constraint = _constraints().get(name)
    if constraint is None:
        return Violation(name, "conflict", "This change conflicts with data already stored.")
    code = constraint.violation_error_code or name
    return Violation(name, code, str(constraint.get_violation_error_message()))


def _constraints() -> dict[str, BaseConstraint]:
    return {
        constraint.name: constraint
        for model in apps.get_models()
        for constraint in model._meta.constraints
    }
