from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "apps.telemetry"
    label = "telemetry"

    def ready(self) -> None:
        from apps.runs import filters, steps
        from apps.telemetry.finding import runs_of_trace
        from apps.telemetry.of_runs import SOURCE

        steps.register_source(SOURCE)
        filters.register_finder(runs_of_trace)
