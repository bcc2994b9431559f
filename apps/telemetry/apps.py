from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "apps.telemetry"
    label = "telemetry"

    def ready(self) -> None:
        from apps.runs.filters import register_finder
        from apps.telemetry.finding import runs_of_trace

        register_finder(runs_of_trace)
