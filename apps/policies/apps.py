from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    name = "apps.policies"
    label = "policies"

    def ready(self) -> None:
        from apps.approvals import subjects
        from apps.core import health, outbox
        from apps.policies import afterwards, exception_consent
        from apps.policies.consent import SUBJECT_TYPE, page_of_approval
        from apps.policies.handlers import HANDLERS
        from apps.policies.unreadable import part_of_health

        subjects.register(subjects.SubjectKind(SUBJECT_TYPE, context=page_of_approval))
        subjects.register(subjects.SubjectKind(afterwards.SUBJECT_TYPE, context=page_of_approval))
        subjects.register(
            subjects.SubjectKind(exception_consent.SUBJECT_TYPE, context=exception_consent.page_of_exception)
        )
        outbox.register(HANDLERS)
        health.WARNINGS["policies"] = part_of_health
