from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        from apps.accounts import handlers, openapi  # noqa: F401 - models are loaded only now

        handlers.connect()
