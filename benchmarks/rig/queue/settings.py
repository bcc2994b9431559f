"""The product's settings as the tests have them, with Django's admin beside it to compare with."""

from meshconsole.settings_test import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin"]  # noqa: F405
ROOT_URLCONF = "benchmarks.rig.queue.urls"
