from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "iop_clinic.accounts"
    label = "accounts"
    verbose_name = "Clinics and staff"

    def ready(self) -> None:
        from iop_clinic.accounts import branches  # noqa: F401  (registers visibility)
