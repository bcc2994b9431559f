from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "apps.approvals"
    label = "approvals"

    def ready(self) -> None:
        from apps.approvals.handlers import HANDLERS
        from apps.approvals.levels import LEVELS
        from apps.core import observing, outbox

        outbox.register(HANDLERS)
        observing.register_levels(LEVELS)
