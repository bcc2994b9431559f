"""Settings, read from the environment. Every default is the safe one: what is missing in production is an error, not a
guess.
"""

import json
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from meshconsole import env, otel
from meshconsole.beat import Turns
from meshconsole.logs import configure_structlog, logging_config

BASE_DIR = Path(__file__).resolve().parent.parent

# LOCAL=1 is `./console up` on loopback without TLS: cookies may then travel over plain http, nothing else changes.
LOCAL = env.flag("LOCAL")
DEBUG = False
SECRET_KEY = env.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")
# Fernet keys, newest first, of everything the vault encrypts.
VAULT_KEYS = env.words("VAULT_KEYS") or env.text("VAULT_KEYS").split()
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if LOCAL else "")
BASE_URL = env.text("BASE_URL", "http://localhost:8000" if LOCAL else "").rstrip("/")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", BASE_URL)
# The demo signs people in without a password, so it lives on loopback alone.
DEMO = env.flag("DEMO")
if DEMO and not LOCAL:
    raise ImproperlyConfigured("DEMO=1 is for a console on loopback (LOCAL=1): it signs people in without a password.")

DATABASES = {"default": env.database("DATABASE_URL", keeps_connections=env.flag("DB_KEEP"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "apps.console",
    "apps.api",
    "apps.notifications",
    "apps.external",
    "apps.replays",
    "apps.retention",
    "apps.telemetry",
    "apps.artifacts",
    "apps.gateway",
    "apps.breakers",
    "apps.policies",
    "apps.halts",
    "apps.budgets",
    "apps.runs",
    "apps.approvals",
    "apps.registry",
    "apps.accounts",
    "apps.audit",
    "apps.vault",
    "apps.core",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "drf_spectacular",
    "guardian",
    "lucide",
    "pgtrigger",
    "rest_framework",
    "template_partials.apps.SimpleAppConfig",
]

MIDDLEWARE = [
    "apps.core.middleware.request_context",
    "apps.core.pages.refuse_unreadable",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.core.middleware.content_policy",
    "apps.core.browsers.sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "apps.core.browsers.people",
    "apps.accounts.middleware.person_actor",
    "apps.core.browsers.messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "apps.core.browsers.htmx",
    "apps.core.middleware.errors_as_pages",
]
if otel.is_on():
    MIDDLEWARE.insert(0, "meshconsole.otel.requests.traced_request")

ROOT_URLCONF = "meshconsole.urls"
WSGI_APPLICATION = "meshconsole.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": [
                "template_partials.templatetags.partials",
                "django.templatetags.i18n",
                "django.templatetags.static",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.console.context_processors.shell",
            ],
        },
    }
]

# --- people -----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/inbox/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "apps.accounts.adapters.ClosedSignUp"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_USER_DISPLAY = "apps.accounts.adapters.display_name"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_NAME = "meshconsole_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

# --- what browsers may do
# -----------------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = not LOCAL and not env.flag("TLS_ENDS_ELSEWHERE")
SECURE_HSTS_SECONDS = 0 if LOCAL else 365 * 24 * 60 * 60
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not LOCAL
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY") else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "apps.core.pages.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
# 1 MiB holds any sane tool call; what is larger is refused before it is parsed.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# What agents tell of their work comes hundreds of spans at a time: so much of it in one request, sent or inflated, and
# so many requests at once in each web process.
TELEMETRY_MOST_BYTES = 16 * 1024 * 1024
TELEMETRY_SLOTS = env.number("TELEMETRY_SLOTS", 2)
LARGE_BODIES = {"/v1/traces": TELEMETRY_MOST_BYTES}

# What agents keep with a run: a document of so many bytes, and files of so many each.
RUN_STATE_MAX_BYTES = env.number("RUN_STATE_MAX_BYTES", 256 * 1024)
ARTIFACT_MAX_BYTES = env.number("ARTIFACT_MAX_BYTES", 32 * 1024 * 1024)
# A form has boundaries and names around the file.
ARTIFACT_BODY_BYTES = ARTIFACT_MAX_BYTES + 64 * 1024
ARTIFACT_PATH = r"/api/v1/runs/[0-9a-f-]{36}/artifacts"

# --- language, time, files
# ----------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
# Celery's logs and beat would otherwise run on Django's default, America/Chicago.
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
# Any storage of Django's takes artifacts: by default files of a directory that all web and worker nodes share.
ARTIFACTS_BACKEND = env.text("ARTIFACTS_BACKEND", "django.core.files.storage.FileSystemStorage")
ARTIFACTS_OPTIONS = json.loads(env.text("ARTIFACTS_OPTIONS", "null")) or {
    "location": env.text("ARTIFACTS_DIR", str(BASE_DIR / ".home" / "artifacts")),
    "file_permissions_mode": 0o600,
    "directory_permissions_mode": 0o700,
}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "artifacts": {"BACKEND": ARTIFACTS_BACKEND, "OPTIONS": ARTIFACTS_OPTIONS},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- cache and worker
# ---------------------------------------------------------------------------------------------------
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": env.text("CACHE_URL")}
    if env.text("CACHE_URL", "")
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
# What each process remembers of which rates there are; a rate that is set holds everywhere after this long.
RATES_REMEMBERED_SECONDS = 2.0
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# The wish to stop is kept in the database; a worker that reconnects goes on with what it holds.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "unacked_restore_interval": 3,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
# One database connection serves this many tasks before it is made anew; 1 costs two thirds of the throughput.
CELERY_DB_REUSE_MAX = 100
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# name: task, seconds from one turn to the next
JOBS = {
    "sweep-outbox": ("apps.core.tasks.drain_outbox", 1),
    "recover-tool-calls": ("apps.gateway.tasks.recover_tool_calls", 1),
    "settle-approvals": ("apps.approvals.tasks.settle_approvals", 1),
    "send-notifications": ("apps.notifications.tasks.send_notifications", 2),
    "expire-approvals": ("apps.approvals.tasks.expire_approvals", 5),
    "mark-milestones": ("apps.approvals.tasks.mark_milestones", 5),
    "escalate-approvals": ("apps.approvals.tasks.escalate_approvals", 5),
    "resume-bulk-votes": ("apps.approvals.tasks.resume_bulk_votes", 5),
    "keep-clocks": ("apps.gateway.tasks.keep_clocks", 5),
    "sweep-external-approvals": ("apps.external.tasks.sweep_external_approvals", 5),
    "follow-replays": ("apps.replays.tasks.follow_replays", 3),
    "watch-halts": ("apps.halts.tasks.watch_halts", 5),
    "watch-halt-rules": ("apps.halts.tasks.watch_rules", 10),
    "watch-policy-releases": ("apps.policies.tasks.watch_releases", 60),
    "release-scheduled-policies": ("apps.policies.tasks.release_scheduled", 5),
    "expire-policy-exceptions": ("apps.policies.tasks.expire_exceptions", 60),
    "watch-emergency-releases": ("apps.policies.tasks.watch_emergencies", 60),
    "note-stale-outcomes": ("apps.notifications.tasks.note_stale_outcomes", 60),
    "time-out-runs": ("apps.runs.tasks.time_out_runs", 5),
    "report-levels": ("apps.core.tasks.report_levels", 15),
    "heartbeat": ("apps.core.tasks.beat_heart", 5),
    "find-ungoverned-actions": ("apps.telemetry.tasks.find_ungoverned_actions", 10),
    "make-partitions": ("apps.telemetry.tasks.make_partitions", 3600),
    "purge-content": ("apps.retention.tasks.purge_content", 600),
    "sweep-artifacts": ("apps.artifacts.tasks.sweep_artifacts", 3600),
    "forget-delivered-news": ("apps.core.tasks.forget_delivered_news", 3600),
    "forget-old-notices": ("apps.notifications.tasks.forget_old_notices", 3600),
}
# A job that no worker took up by the time of its next turns is not run twice afterwards.
CELERY_BEAT_SCHEDULE = {
    name: {"task": task, "schedule": Turns(seconds, place), "options": {"expires": max(5.0, 2 * seconds)}}
    for place, (name, (task, seconds)) in enumerate(JOBS.items())
}

# --- API
# ----------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.registry.authentication.AgentTokenAuthentication",
        "apps.accounts.authentication.PersonalTokenAuthentication",
        "apps.accounts.authentication.PersonSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.parsing.ExactJSONParser"],
    "EXCEPTION_HANDLER": "apps.core.rest.problem_response",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    # escaped, so that a lone surrogate in a business system's answer is carried on and breaks nothing
    "UNICODE_JSON": False,
    "DATETIME_FORMAT": "iso-8601",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Mesh Console",
    "DESCRIPTION": "Tool calls of agents: decided by policy, approved by people, executed once, explained afterwards.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "apps.api.schema.document_problems"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
}
# What a call may carry: `max_result_bytes` of a tool goes before the first, the others hold for arguments and results.
RESULT_MAX_BYTES = env.number("RESULT_MAX_BYTES", 1024 * 1024)
CONTENT_MAX_DEPTH = env.number("CONTENT_MAX_DEPTH", 64)
CONTENT_MAX_ITEMS = env.number("CONTENT_MAX_ITEMS", 10_000)
CONTENT_MAX_TEXT = env.number("CONTENT_MAX_TEXT", 1_000_000)
# Long-polls may hold this many web threads at once, a third of them; further ones are answered at once.
LONG_POLL_SLOTS = env.number("LONG_POLL_SLOTS", max(1, env.number("WEB_THREADS", 8) // 3))
# Callbacks of gateways outside go to public addresses over https. 1 is for gateways on one's own network: any address,
# and plain http too.
EXTERNAL_ALLOW_PRIVATE = env.flag("EXTERNAL_ALLOW_PRIVATE")

# --- e-mail and notifications
# -------------------------------------------------------------------------------------------
# Off while no server is named. Django's own settings, so that everything that mails goes the same way.
EMAIL_HOST = env.text("EMAIL_HOST", "")
EMAIL_PORT = env.number("EMAIL_PORT", 587)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_SECURITY = env.text("EMAIL_SECURITY", "starttls")
if EMAIL_SECURITY not in ("starttls", "tls", "none"):
    raise ImproperlyConfigured("EMAIL_SECURITY is one of starttls, tls, none.")
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_SECURITY == "starttls", EMAIL_SECURITY == "tls"
EMAIL_TIMEOUT = 10
NOTIFY_FROM = DEFAULT_FROM_EMAIL = env.text("NOTIFY_FROM", "")
# Channels that people may let carry what is asked, with the amount; all others carry a link and nothing of it.
NOTIFY_SUMMARIES = env.words("NOTIFY_SUMMARIES", "email,slack,teams,webhook")
# Webhooks go to public addresses over https. 1 is for receivers on one's own network: any address, and plain http too.
NOTIFY_ALLOW_PRIVATE = env.flag("NOTIFY_ALLOW_PRIVATE")
# So many workers may send at once; the others are kept free for what is more urgent.
NOTIFY_SENDERS = env.number("NOTIFY_SENDERS", 1)
# Who answers for a process is told once more of an outcome that nobody has found out for so long.
UNKNOWN_LIMIT_HOURS = env.number("UNKNOWN_LIMIT_HOURS", 4)

LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
LOGGING = logging_config(level=LOG_LEVEL)
LOGGING_CONFIG = "logging.config.dictConfig"
configure_structlog()
