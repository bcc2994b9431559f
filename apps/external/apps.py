from django.apps import AppConfig


class ExternalConfig(AppConfig):
    name = "apps.external"
    label = "external"

    def ready(self) -> None:
        from apps.approvals import subjects
        from apps.core import outbox
        from apps.external.consent import SUBJECT_TYPE
        from apps.external.handlers import HANDLERS

        subjects.register(subjects.SubjectKind(SUBJECT_TYPE, can_change=True))
        outbox.register(HANDLERS)
