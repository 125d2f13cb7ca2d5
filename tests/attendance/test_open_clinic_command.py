"""The first command on an empty installation."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from attendance.models import Standard
from iop_clinic.accounts.models import Clinic, Membership, User
from scheduling.models import SessionType

pytestmark = pytest.mark.django_db

WORDS = ["--administrator", "ana@example.com", "--administrator-name", "Ana Ito"]


def test_a_clinic_opens_with_its_first_administrator(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("open_clinic", "Riverside", "--zone", "America/New_York", *WORDS)
    clinic = Clinic.objects.get()
    membership = Membership.objects.get()
    assert (clinic.name, clinic.zone) == ("Riverside", "America/New_York")
    assert (membership.user.email, membership.role) == ("ana@example.com", "administrator")
    assert SessionType.objects.in_clinic(clinic).exists()
    assert Standard.objects.in_clinic(clinic).exists()
    assert "ana@example.com was sent a link" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("zone", "words", "says"),
    [
        ("New York", WORDS, "time zone"),
        ("America/New_York", ["--administrator", "ana", *WORDS[2:]], "email"),
    ],
)
def test_a_mistake_opens_nothing(zone: str, words: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("open_clinic", "Riverside", "--zone", zone, *words)
    assert not Clinic.objects.exists()
    assert not User.objects.exists()
