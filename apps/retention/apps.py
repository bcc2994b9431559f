from django.apps import AppConfig


class RetentionConfig(AppConfig):
    name = "apps.retention"
    label = "retention"

    def ready(self) -> None:
        from apps.retention.shown import section_of
        from apps.runs import sections

        sections.register(section_of)
