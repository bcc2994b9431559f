"""The WSGI entry of the web process."""

import gc
import os

from django.core.wsgi import get_wsgi_application

from meshconsole import otel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "meshconsole.settings")

application = get_wsgi_application()
otel.start("web")

# What is loaded by now stays as long as the process does, and the collector need not walk it again and again.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
