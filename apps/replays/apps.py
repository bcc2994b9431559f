from django.apps import AppConfig


class ReplaysConfig(AppConfig):
    name = "apps.replays"
    label = "replays"

    def ready(self) -> None:
        from apps.core import outbox
        from apps.replays.handlers import HANDLERS

        outbox.register(HANDLERS)
