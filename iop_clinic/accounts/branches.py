"""What "own rows" means for the tables of this floor (see visibility.py)."""

from django.db.models import Q

from iop_clinic.accounts.visibility import Sight, own_rows, whole_clinic

own_rows("accounts.Therapist", "accounts.License")(whole_clinic)


@own_rows("accounts.CalendarLink")
def my_calendar_link(sight: Sight) -> Q:
    return Q(membership__therapist__in=sight.therapist_ids)
