"""Settings of the test suite: the product's own, with a faster password hash and plain static files."""

import os
import re

os.environ.setdefault("SECRET_KEY", "only-for-tests-" * 4)
os.environ.setdefault("VAULT_KEYS", "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=")
os.environ.setdefault("LOCAL", "1")
os.environ.setdefault("DATABASE_URL", "postgresql:///console")
os.environ.setdefault("DEMO", "1")
os.environ.setdefault("CELERY_BROKER_URL", "memory://")
os.environ.setdefault("LOG_LEVEL", "WARNING")

from meshconsole.settings import *  # noqa: F403

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
STORAGES["artifacts"] = {"BACKEND": "django.core.files.storage.InMemoryStorage"}  # noqa: F405
WHITENOISE_AUTOREFRESH = True
ACCOUNT_RATE_LIMITS = False
# Tests empty their cache; those of the process beside them keep theirs.
if worker := os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw"):
    CACHES["default"]["LOCATION"] = re.sub(  # noqa: F405
        r"\bdb=\d+",
        f"db={2 + int(worker)}",
        CACHES["default"].get("LOCATION", ""),  # noqa: F405
    )

# What a test sets it lets this process read anew; nothing else may add a query now and then.
RATES_REMEMBERED_SECONDS = 3600.0
