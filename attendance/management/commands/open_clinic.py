"""`manage.py open_clinic NAME --zone ZONE --administrator EMAIL`: an empty clinic to work in."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from attendance.clinics import open_clinic
from iop_clinic.accounts.acting import Job, Refused, acting
from iop_clinic.accounts.models import Clinic
from iop_clinic.accounts.roles import Role
from iop_clinic.accounts.services import invite

INSTALLER = Job("open_clinic")


class Command(BaseCommand):
    help = "Open a clinic with default types, standards and rules; invite its administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--zone", required=True, help="such as America/New_York")
        parser.add_argument("--state", default="", help="two letters, for licenses")
        parser.add_argument("--administrator", required=True, metavar="EMAIL")
        parser.add_argument("--administrator-name", required=True, metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            clinic = self.open(options)
        except Refused as refused:
            raise CommandError(refused.message) from refused
        self.stdout.write(
            f"{clinic} is open. {options['administrator']} was sent a link to set a password."
        )

    def open(self, options: dict[str, Any]) -> Clinic:
        """Clinic and administrator in one transaction: neither without the other."""
        with acting(INSTALLER):
            clinic = open_clinic(
                name=options["name"],
                zone=options["zone"],
                state=options["state"],
                by=INSTALLER,
            )
            invite(
                clinic=clinic,
                email=options["administrator"],
                name=options["administrator_name"],
                role=Role.ADMINISTRATOR,
                by=INSTALLER,
            )
        return clinic
