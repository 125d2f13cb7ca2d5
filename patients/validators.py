import datetime

from django.core.exceptions import ValidationError
from django.utils import timezone

EARLIEST_BIRTH = datetime.date(1900, 1, 1)
EARLIEST = datetime.date(2000, 1, 1)
AHEAD = datetime.timedelta(days=2 * 366)


def validate_birth_date(value: datetime.date) -> None:
    """Between 1900 and today. A validator, because a CHECK with today would break a restore."""
    if not EARLIEST_BIRTH <= value <= timezone.now().date():
        raise ValidationError("Enter a birth date between 1900 and today.", code="birth_date")


def validate_clinical_date(value: datetime.date) -> None:
    """Between 2000 and two years from now: what lies outside is a typing mistake."""
    if not EARLIEST <= value <= timezone.now().date() + AHEAD:
        raise ValidationError(
            "Enter a date between 2000 and two years from today.", code="clinical_date"
        )
