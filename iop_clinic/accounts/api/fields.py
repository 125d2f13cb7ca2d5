"""Serializer parts that every floor uses: strict shapes, clinic times, public ids."""

from __future__ import annotations

import datetime
import uuid
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty, get_attribute

EARLIEST = datetime.date(2000, 1, 1)
AHEAD = datetime.timedelta(days=2 * 366)


class Strict(serializers.Serializer):
    """A body or a query in which every field must be declared (unknown: 400)."""

    never_empty: ClassVar[bool] = False
    """Each field may be left out, but not all of them; the document says so."""

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, dict):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError(
                    dict.fromkeys(unknown, "There is no such field."), code="unknown_field"
                )
        return super().run_validation(data)


@extend_schema_field({"type": "string", "format": "date-time"})
class Instant(serializers.Field):
    """An instant: read with any offset, written in the clinic's (`zone` of the context).

    A time without an offset is refused: on the night the clocks change it has two meanings.
    """

    default_error_messages = {
        "invalid": "Give a time with its offset from UTC, such as 2026-03-02T09:00:00-05:00.",
        "no_offset": "The time needs its offset from UTC, such as 2026-03-02T09:00:00-05:00.",
        "out_of_range": "Give a time between 2000 and two years from now.",
    }

    def to_internal_value(self, data: Any) -> datetime.datetime:
        if not isinstance(data, str) or len(data) > 40 or "T" not in data:
            self.fail("invalid")
        try:
            instant = datetime.datetime.fromisoformat(data)
        except ValueError:
            self.fail("invalid")
        if instant.tzinfo is None:
            self.fail("no_offset")
        if not EARLIEST <= instant.date() <= timezone.now().date() + AHEAD:
            self.fail("out_of_range")
        return instant.astimezone(datetime.UTC)

    def to_representation(self, value: datetime.datetime) -> str:
        return value.astimezone(self.context["zone"]).isoformat()


class Zone(serializers.CharField):
    """The name of the zone in which the times beside it are written (`zone` of the context)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="*", read_only=True, **kwargs)

    def to_representation(self, value: Any) -> str:
        return str(self.context["zone"])


class InOwnZone(serializers.Serializer):
    """A row that names the zone of its times, whatever the answer's: a session keeps the one it
    was planned in when its clinic's changes."""

    path_to_zone: ClassVar = ["zone"]

    def to_representation(self, row: Any) -> dict[str, Any]:
        outside = self.context.get("zone")
        self.context["zone"] = ZoneInfo(get_attribute(row, self.path_to_zone))
        try:
            return super().to_representation(row)
        finally:
            self.context["zone"] = outside


class LocalDate(serializers.DateField):
    """A date of the clinic's calendar, YYYY-MM-DD, from 2000 to two years from now."""

    default_error_messages = {"out_of_range": "Give a date between 2000 and two years from now."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d"], **kwargs)

    def to_internal_value(self, value: Any) -> datetime.date:
        day = super().to_internal_value(value)
        if not EARLIEST <= day <= timezone.now().date() + AHEAD:
            self.fail("out_of_range")
        return day


class Text(serializers.CharField):
    """Text as written: a number is not text, though REST framework would turn it into some."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Integer(serializers.IntegerField):
    """A whole number: neither `true` nor "7" nor 7.0."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """`true` or `false`, not "yes" or 1."""

    default_error_messages = {"invalid": "Give true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class PublicId(serializers.UUIDField):
    """The random id of a row, in every path and payload; a number is not one."""

    def to_internal_value(self, data: Any) -> uuid.UUID:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class PersonRef(serializers.Serializer):
    """A patient or colleague by id and name."""

    id = PublicId(source="public_id")
    name = serializers.CharField(source="__str__")
