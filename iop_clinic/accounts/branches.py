"""What "own rows" means for the tables of this floor (see visibility.py)."""

from iop_clinic.accounts.visibility import own_rows, whole_clinic

own_rows("accounts.Therapist", "accounts.License")(whole_clinic)
