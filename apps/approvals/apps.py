from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "apps.approvals"
    label = "approvals"

    def ready(self) -> None:
        from apps.approvals.handlers import HANDLERS
        from apps.core import outbox

        outbox.register(HANDLERS)
