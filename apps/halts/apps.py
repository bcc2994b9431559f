from django.apps import AppConfig


class HaltsConfig(AppConfig):
    name = "apps.halts"
    label = "halts"

    def ready(self) -> None:
        from apps.approvals import subjects
        from apps.core import observing, outbox
        from apps.halts.consent import SUBJECT_TYPE
        from apps.halts.handlers import HANDLERS
        from apps.halts.levels import LEVELS

        subjects.register(subjects.SubjectKind(SUBJECT_TYPE))
        outbox.register(HANDLERS)
        observing.register_levels(LEVELS)
