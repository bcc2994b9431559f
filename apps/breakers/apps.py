from django.apps import AppConfig


class BreakersConfig(AppConfig):
    name = "apps.breakers"
