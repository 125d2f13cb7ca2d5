"""docs/api.md is run word for word against a running server."""

from __future__ import annotations

import datetime
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from iop_clinic.accounts.models import Device
from iop_clinic.accounts.roles import Role
from scheduling.models import Booking, Session
from tests import factories
from tests.api import roster

DOCUMENT = settings.BASE_DIR / "docs" / "api.md"


@pytest.mark.django_db(transaction=True)
def test_the_calls_lead_from_login_to_a_signed_roster(live_server: Any, tmp_path: Path) -> None:
    clinic = factories.ClinicFactory()
    therapist = factories.TherapistFactory(clinic=clinic)
    user = factories.UserFactory(email="therapist@example.com", password="demo-clinic")
    factories.staff(clinic, Role.THERAPIST, user=user, therapist=therapist)
    yesterday = datetime.datetime.now(clinic.tz).date() - datetime.timedelta(days=1)
    roster(3, clinic=clinic, therapist=therapist, user=user, day=str(yesterday))
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    script = "".join(blocks).replace("http://localhost:8000", live_server.url)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert Session.objects.get().signed_by == user
    attended = Booking.objects.order_by("seat").values_list("attendance__attended", flat=True)
    assert list(attended) == [True, True, True]
    assert not Device.objects.exists()
