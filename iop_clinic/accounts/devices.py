"""Signing in and out on a device: each has a token of its own (see api/authentication.py)."""

from __future__ import annotations

from iop_clinic.accounts.acting import service
from iop_clinic.accounts.models import Device, User


@service
def sign_in(*, device: str, by: User) -> tuple[Device, str]:
    """A new device of `by` and its token, which is shown once and stored only as a hash."""
    row, token = Device.objects.create(user=by, name=device)
    return row, token


@service
def sign_out(*, device: Device, by: User) -> None:
    """Revoke a device's token; its next request is refused."""
    device.delete()
