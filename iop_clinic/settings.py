"""Every setting of the project, in one file, read through one typed environment reader.

`IOP_MODE` says where the process runs: `production` (default), `demo` or `test`. Only demo and
test may leave out `DATABASE_URL`, `REDIS_URL` and `SECRET_KEY`: they then use the embedded servers
under `.local/`. In production a missing value stops the start with a sentence that says what to
set, because a typo must never start an empty clinic.
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from iop_clinic import embedded

BASE_DIR = Path(__file__).resolve().parent.parent
LOCAL_DIR = embedded.local_dir()
MAIL_DIR = LOCAL_DIR / "mail"  # where the demo's mail lands
DEMO_READY_FILE = LOCAL_DIR / "demo" / "ready"  # written last by iop_clinic/supervisor.py

# --- environment -----------------------------------------------------------------------------

env = environ.Env()

MODE = env.str("IOP_MODE", default="production")
if MODE not in ("production", "demo", "test"):
    raise ImproperlyConfigured(f"IOP_MODE must be production, demo or test, not {MODE!r}.")
EMBEDDED_ALLOWED = MODE in ("demo", "test")


def required(name: str, demo_default: str) -> str:
    """The variable's value; its default only in demo and test; otherwise refuse to start."""
    value = env.str(name, default="")
    if value:
        return value
    if EMBEDDED_ALLOWED:
        return demo_default
    raise ImproperlyConfigured(
        f"{name} is not set. Set it in the environment (see .env.example), or run `make demo`, "
        "which brings its own servers."
    )


def times_in(name: str, default: str) -> tuple[int, int]:
    """A limit such as 10/900: so many times in so many seconds."""
    times, slash, seconds = env.str(name, default=default).partition("/")
    if not (slash and times.isdecimal() and seconds.isdecimal() and int(times) and int(seconds)):
        raise ImproperlyConfigured(f"{name} must be times/seconds such as {default}.")
    return int(times), int(seconds)


def embedded_url(service: str) -> str:
    """The address of an embedded server of this mode (see iop_clinic/embedded.py)."""
    return embedded.url(service, MODE)


# --- core ------------------------------------------------------------------------------------

SECRET_KEY = required("SECRET_KEY", "not-secret: only demo and test may start without a key")
DEBUG = env.bool("DEBUG", default=False)
BASE_URL = env.str("BASE_URL", default="http://localhost:8000")  # the address links in mail lead to
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or (
    ["*"] if EMBEDDED_ALLOWED else [urlsplit(BASE_URL).hostname]
)
CSRF_TRUSTED_ORIGINS = [BASE_URL]

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "iop_clinic.accounts",
    "patients",
    "scheduling",
    "attendance",
]

MIDDLEWARE = [
    "iop_clinic.accounts.middleware.NoBodyMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "iop_clinic.accounts.middleware.ContentPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "iop_clinic.accounts.middleware.IdleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "iop_clinic.accounts.middleware.ClinicTimeMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "iop_clinic.urls"
WSGI_APPLICATION = "iop_clinic.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "iop_clinic" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- database and cache ----------------------------------------------------------------------

database_config = env.db_url_config(required("DATABASE_URL", "") or embedded_url("postgres"))
DATABASES = {
    "default": {
        **database_config,
        "ATOMIC_REQUESTS": False,  # a service opens its own transaction and retries it whole
        "CONN_MAX_AGE": env.int("CONN_MAX_AGE", default=60),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **database_config.get("OPTIONS", {}),
            "options": "-c lock_timeout=5s -c statement_timeout=60s"
            " -c idle_in_transaction_session_timeout=60s",
        },
    }
}
# Several test runs on one pair of servers: each has its own database, cache prefix and queue.
TEST_RUN = env.str("IOP_TEST_DB", default="test_iop")
if MODE == "test":
    DATABASES["default"]["TEST"] = {"NAME": TEST_RUN}

REDIS_URL = required("REDIS_URL", "") or embedded_url("redis")
REDIS_SECONDS = 5  # how long an answer may take; the clients' default is to wait for ever


def redis_database(number: int, *, for_celery: bool = False) -> str:
    """One logical database of the Redis server, in the spelling its client expects."""
    parts = urlsplit(REDIS_URL)
    if parts.scheme == "unix":
        if for_celery:
            return f"redis+socket://{parts.path}?virtual_host={number}"
        return f"unix://{parts.path}?db={number}"
    return parts._replace(path=f"/{number}").geturl()


CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_database(2),
        "OPTIONS": {"socket_timeout": REDIS_SECONDS},
        "KEY_PREFIX": TEST_RUN if MODE == "test" else "",
    }
}

# --- people ----------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
if MODE == "test":  # tests sign in hundreds of people; the real hash would be most of their time
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 12 * 60 * 60
# Sentences such as "Sam Placeholder has seat 4" are for the screen, not for a cookie on the device.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
# Tests move the clock between two clicks; those of the timeout itself set it.
IDLE_SECONDS = env.int("IDLE_MINUTES", default=0 if MODE == "test" else 15) * 60
PASSWORD_RESET_TIMEOUT = 3 * 24 * 60 * 60

# --- language and time -----------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"  # every edge converts to the clinic's own zone
FORMAT_MODULE_PATH = ["iop_clinic.formats"]

# --- static files ----------------------------------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "iop_clinic" / "static"]  # before the files of any app
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(LOCAL_DIR / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Hashed names are cached for ever; tests have no collected files to look names up in.
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if MODE == "test"
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- security --------------------------------------------------------------------------------

HTTPS = not EMBEDDED_ALLOWED and env.bool("HTTPS", default=True)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz", r"^readyz$"]  # asked from inside, without the proxy
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

# --- mail ------------------------------------------------------------------------------------

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="smtp://localhost:1025")
vars().update(EMAIL_CONFIG)
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_TIMEOUT = 10  # seconds; Django's default is to wait for ever
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="IOP Clinic <noreply@example.com>")

# --- jobs ------------------------------------------------------------------------------------

CELERY_BROKER_URL = redis_database(1, for_celery=True)
CELERY_TASK_DEFAULT_QUEUE = TEST_RUN if MODE == "test" else "celery"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "health_check_interval": 25,
    # A broker that takes connections and says nothing must not hold up whoever queues work.
    "socket_connect_timeout": REDIS_SECONDS,
    "socket_timeout": REDIS_SECONDS,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ALWAYS_EAGER = env.bool("CELERY_TASK_ALWAYS_EAGER", default=False)
if CELERY_TASK_ALWAYS_EAGER:
    raise ImproperlyConfigured("Eager Celery hides real faults. Start a worker instead.")
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_SOFT_TIME_LIMIT = 840
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# Beat is a doorbell: it only rings, the tick asks the database what is due. So it keeps no state
# of its own, and an unheard ring is dropped when the next one comes.
TICK_SECONDS = 60 if MODE == "demo" else 300
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "tick": {
        "task": "attendance.reports.tasks.tick",
        "schedule": TICK_SECONDS,
        "options": {"expires": TICK_SECONDS},
    },
}

# --- API -------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "iop_clinic.accounts.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["iop_clinic.accounts.api.throttles.Requests"],
    "DEFAULT_PARSER_CLASSES": ["iop_clinic.accounts.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "iop_clinic.accounts.api.schema.Schema",
    "EXCEPTION_HANDLER": "iop_clinic.accounts.api.problems.exception_handler",
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),  # 0: X-Forwarded-For is not believed
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
KNOX_TOKEN_MODEL = "accounts.Device"  # noqa: S105  a model's name
MIGRATION_MODULES = {"knox": None}  # its own table would stay empty, and tests could not flush
REST_KNOX = {
    "TOKEN_TTL": timedelta(days=env.int("TOKEN_DAYS", default=30)),
    "AUTH_HEADER_PREFIX": "Bearer",
}
TRIED_OUT = "60000/60" if EMBEDDED_ALLOWED else ""  # a script that tries everything is no flood
# So many times in so many seconds (docs/operations.md). A clinic's tablets share one address.
LIMITS = {
    "sign_in": times_in("LIMIT_SIGN_IN", "10/900"),  # wrong: of one name from one address
    "sign_in_address": times_in("LIMIT_SIGN_IN_ADDRESS", "60/900"),  # wrong: from one address
    "sign_in_name": times_in("LIMIT_SIGN_IN_NAME", "100/3600"),  # wrong: of one name
    "resets": times_in("LIMIT_RESETS", "10/3600"),  # links to a new password asked for
    "requests_user": times_in("LIMIT_REQUESTS_USER", TRIED_OUT or "3000/60"),
    "requests_address": times_in("LIMIT_REQUESTS_ADDRESS", TRIED_OUT or "600/60"),  # no live token
    "calendars": times_in("LIMIT_CALENDARS", "60/900"),  # wrong calendar links from one address
}
SPECTACULAR_SETTINGS = {
    "TITLE": "IOP Clinic",
    "DESCRIPTION": (BASE_DIR / "iop_clinic/accounts/api/introduction.md").read_text(),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,  # what a PATCH needs, it needs; most of it may be left out
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "Role": "iop_clinic.accounts.roles.Role",
        "StaffRole": "scheduling.models.SessionStaff.Role",
        "SessionState": "attendance.api.sessions.STATES",
        "BookingState": "scheduling.models.Booking.State",
        "CaseState": "attendance.models.Flag.State",
        "AbsenceReason": "attendance.models.records.AbsenceReason",
        "WeekNoteReason": "attendance.models.WeekNote.Reason",
        "WeekStatus": "attendance.api.weeks.WEEK_STATUSES",
        "AttendanceStatus": "attendance.api.shapes.STATUSES",
        "RecordSource": "attendance.models.AttendanceRecord.Source",
        "EntrySource": "attendance.api.roster.SOURCES",
        "SourceEnum": "attendance.api.weeks.SOURCES",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "iop_clinic.accounts.api.schema.describe_problems",
        "iop_clinic.accounts.api.schema.show_examples",
    ],
}

# --- admin site ------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "IOP Clinic",
    "SITE_HEADER": "IOP Clinic",
    "SITE_SUBHEADER": "iop_clinic.dashboard.subheader",
    "SITE_DROPDOWN": "iop_clinic.dashboard.site_menu",
    "SITE_SYMBOL": "groups",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "iop_clinic.dashboard.environment",
    "DASHBOARD_CALLBACK": "iop_clinic.dashboard.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": "iop_clinic.dashboard.navigation"},
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("accounts/favicon.svg"),
        }
    ],
    "STYLES": [lambda request: static("accounts/admin.css")],
    "SCRIPTS": [
        lambda request: static("accounts/frame.js"),
        lambda request: f"{static('accounts/session.js')}?idle={IDLE_SECONDS}",
    ],
    # A quiet teal; text on it reaches a contrast of 4.5 in both themes.
    "COLORS": {
        "primary": {
            "50": "oklch(98% 0.01 190)",
            "100": "oklch(95% 0.025 190)",
            "200": "oklch(90% 0.045 190)",
            "300": "oklch(83% 0.065 190)",
            "400": "oklch(75% 0.08 190)",
            "500": "oklch(68% 0.085 190)",
            "600": "oklch(49% 0.075 195)",
            "700": "oklch(43% 0.068 195)",
            "800": "oklch(37% 0.058 195)",
            "900": "oklch(31% 0.047 195)",
            "950": "oklch(23% 0.036 195)",
        },
    },
}

# --- logging ---------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "iop_clinic.logs.PrivateFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # Scanners ask for other hosts all day; the 400 is answer enough.
    "loggers": {
        "django.security.DisallowedHost": {"handlers": [], "propagate": False},
        "django.server": {"handlers": ["console"], "propagate": False},  # runserver's own lines
    },
}
