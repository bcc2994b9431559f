from django.apps import AppConfig


class HaltsConfig(AppConfig):
    name = "apps.halts"
    label = "halts"

    def ready(self) -> None:
        from apps.approvals import subjects
        from apps.core import outbox
        from apps.halts.consent import SUBJECT_TYPE
        from apps.halts.handlers import HANDLERS

        subjects.register(subjects.SubjectKind(SUBJECT_TYPE))
        outbox.register(HANDLERS)
