from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"

    def ready(self) -> None:
        from apps.approvals import subjects
        from apps.core import outbox
        from apps.gateway.handlers import HANDLERS
        from apps.gateway.subject import TOOL_CALL

        outbox.register(HANDLERS)
        subjects.register(TOOL_CALL)
