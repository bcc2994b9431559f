from django.apps import AppConfig


class HaltsConfig(AppConfig):
    name = "apps.halts"
    label = "halts"
