from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"

    def ready(self) -> None:
        from apps.core import outbox
        from apps.gateway.handlers import HANDLERS

        outbox.register(HANDLERS)
