from django.apps import AppConfig


class ArtifactsConfig(AppConfig):
    name = "apps.artifacts"
    label = "artifacts"

    def ready(self) -> None:
        from apps.artifacts.shown import section_of
        from apps.runs import sections

        sections.register(section_of)
