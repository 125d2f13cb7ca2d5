import gc

from django.apps import AppConfig

ALLOCATIONS = 20_000
"""Python's own 700 has a night look for cycles thousands of times, among rows that form none: a
fifth of its time."""


class AccountsConfig(AppConfig):
    name = "iop_clinic.accounts"
    label = "accounts"
    verbose_name = "Clinics and staff"

    def ready(self) -> None:
        from iop_clinic.accounts import branches  # noqa: F401  (registers visibility)

        gc.set_threshold(ALLOCATIONS)
