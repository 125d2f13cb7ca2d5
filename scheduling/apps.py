from django.apps import AppConfig


class SchedulingConfig(AppConfig):
    name = "scheduling"
    verbose_name = "Schedule"

    def ready(self) -> None:
        from scheduling import branches  # noqa: F401  (registers visibility)
