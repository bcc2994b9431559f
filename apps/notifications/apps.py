from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "apps.notifications"
    label = "notifications"

    def ready(self) -> None:
        from apps.core import outbox
        from apps.notifications.handlers import HANDLERS

        outbox.register(HANDLERS)
