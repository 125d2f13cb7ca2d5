"""Rooms, session types, closures and time off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from iop_clinic.accounts.admin.base import ClinicModelAdmin
from iop_clinic.accounts.admin.filters import ClinicRelatedFilter
from iop_clinic.accounts.admin.panels import Panel
from iop_clinic.accounts.roles import Can
from scheduling.admin.leaders import LeadersForm, leaders_panel
from scheduling.admin.rooms import room_panels, tell_rooms
from scheduling.models import Closure, Room, SessionType, TimeOff


@admin.register(Room)
class RoomAdmin(ClinicModelAdmin):
    view = Can.VIEW_SCHEDULE
    add = change = Can.MANAGE_SCHEDULE
    panels_first = True
    tellers = (tell_rooms,)
    list_display = ("name", "seats", "now", "next_today", "used", "active")
    list_filter = ("active",)
    search_fields = ("name",)
    fields = ("name", "seats", "active")

    @admin.display(description="Now")
    def now(self, row: Any) -> str:
        return str(row.told_now)

    @admin.display(description="Next today")
    def next_today(self, row: Any) -> str:
        return str(row.told_next)

    @admin.display(description="Used this week")
    def used(self, row: Any) -> str:
        return str(row.told_used)

    def panels(self, request: Any, row: Room) -> Iterable[Panel]:
        return room_panels(request, row)


@admin.register(SessionType)
class SessionTypeAdmin(ClinicModelAdmin):
    view = Can.VIEW_SCHEDULE
    add = change = Can.MANAGE_CLINIC
    list_display = ("name", "kind", "creditable", "ceiling", "led_by", "active")
    list_filter = ("kind", "creditable")
    search_fields = ("name",)
    fields = ("name", "kind", "creditable", "ceiling", "active")
    verbs = (LeadersForm,)
    next_step = "Next: say who may lead it, unless everybody may."

    @admin.display(description="Led by")
    def led_by(self, row: SessionType) -> str:
        return " or ".join(row.credentials)

    def panels(self, request: Any, row: SessionType) -> Iterable[Panel]:
        yield leaders_panel(request, row)


@admin.register(Closure)
class ClosureAdmin(ClinicModelAdmin):
    """Entered and taken back by verbs of the floor that knows who attended."""

    view = Can.VIEW_SCHEDULE
    reads_are_noted = True  # patients are named
    list_display = (
        "reason",
        "starts_on",
        "ends_on",
        "from_time",
        "to_time",
        "room",
        "taken_back_at",
    )
    list_filter = (("room", ClinicRelatedFilter), "starts_on")
    related = ("room",)
    ordering = ("-starts_on", "pk")
    fields = ("reason", ("starts_on", "ends_on"), ("from_time", "to_time"), "room", "taken_back_at")


@admin.register(TimeOff)
class TimeOffAdmin(ClinicModelAdmin):
    """Entered and taken back as closures are."""

    view = Can.VIEW_SCHEDULE
    reads_are_noted = True
    list_display = ("therapist", "starts_at", "ends_at", "reason", "taken_back_at")
    list_filter = (("therapist", ClinicRelatedFilter), "starts_at")
    related = ("therapist",)
    ordering = ("-starts_at", "pk")
    fields = ("therapist", "starts_at", "ends_at", "reason", "taken_back_at")
