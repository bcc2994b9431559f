"""The project: settings, entry points, and the embedded default. The Celery app is loaded with it so that tasks bind
to it.
"""

from meshconsole.celery import app as celery_app

__all__ = ["celery_app"]
