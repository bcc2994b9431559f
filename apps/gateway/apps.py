from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"

    def ready(self) -> None:
        from apps.core import outbox  # models are not loaded before
        from apps.gateway.handlers import HANDLERS

        outbox.register(HANDLERS)
