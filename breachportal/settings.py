"""One settings file; everything that differs between installations is in the environment.

A process has one database role (PORTAL_ROLE: web, worker or owner), is given that role's
address only, and the secrets of that role only (docs/security.md, « Who holds what »).
"""

import os
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from breachportal import environment as env
from notifications.sending.quiet_hours import read_quiet_hours

# No matrix is multiplied here: the threads that numpy would start for it only wait, by spinning.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
django_stubs_ext.monkeypatch()  # Lets generic classes of Django name their model, for mypy.

BASE_DIR = Path(__file__).resolve().parent.parent

ROLE = env.read("PORTAL_ROLE", "web")
if ROLE not in {"web", "worker", "owner"}:
    raise ImproperlyConfigured("PORTAL_ROLE must be web, worker or owner.")
DEMO = env.flag("PORTAL_DEMO")

PORTAL_URL = env.read("PORTAL_URL").rstrip("/")
PORTAL_HOST = urlsplit(PORTAL_URL).hostname or ""
HTTPS = PORTAL_URL.startswith("https://")
if not (HTTPS or DEMO):
    raise ImproperlyConfigured("PORTAL_URL must start with https:// outside the demo.")

SECRET_KEY = env.read("SECRET_KEY")
DEBUG = False
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", PORTAL_HOST)
CSRF_TRUSTED_ORIGINS = [PORTAL_URL]

# Who runs this installation: shown on the legal pages, never invented.
PORTAL_OPERATOR = {
    "name": env.read("PORTAL_OPERATOR_NAME", ""),
    "address": env.read("PORTAL_OPERATOR_ADDRESS", ""),
    "email": env.read("PORTAL_OPERATOR_EMAIL", ""),
    "phone": env.read("PORTAL_OPERATOR_PHONE", ""),
    "publisher": env.read("PORTAL_PUBLISHER_NAME", ""),
    "dpo": env.read("PORTAL_DPO_CONTACT", ""),
    "host": env.read("PORTAL_HOSTING_PROVIDER", ""),
}

INSTALLED_APPS = [
    # Who shows no page starts in a fifth less time without those of the administration.
    "django.contrib.admin" if ROLE == "web" else "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "import_export",
    "audit",
    "insurers",
    "notifications",
    "lookup",
    # Last, so that its post-migrate handler grants rights on every table.
    "breachportal.apps.BreachportalConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "breachportal.middleware.LanguageFromPathMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "breachportal.middleware.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "breachportal.middleware.StaffMiddleware",
]

ROOT_URLCONF = "breachportal.urls"
WSGI_APPLICATION = "breachportal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "breachportal.context.portal",
            ],
        },
    },
]

# PostgreSQL alone holds the truth; each process connects as its own role.
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database(env.read(f"DATABASE_URL_{ROLE.upper()}"))
}
# A machine that loses its power or its network says no goodbye. By default PostgreSQL keeps its
# locks for two hours, so nobody takes its lists up, and it waits as long for PostgreSQL's answer.
DATABASES["default"]["OPTIONS"] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
} | DATABASES["default"]["OPTIONS"]
DATABASES["default"]["OPTIONS"]["options"] = (
    "-c search_path=public,members -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5"
    " -c tcp_keepalives_count=4 -c tcp_user_timeout=30s"
)
if ROLE == "web":
    # A connection that PostgreSQL's restart broke is not handed out, and a long absence does not
    # make the next attempt wait for minutes (the pool doubles its delays until it gives up).
    DATABASES["default"]["ENGINE"] = "breachportal.pooled_postgresql"
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": 8,
        "timeout": 3,
        "reconnect_timeout": 3,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis is broker, cache and throttle: flushing it loses nothing.
REDIS_URL = env.read("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "portal",
    }
}
CELERY_BROKER_URL = env.broker(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Nobody waits for a broker that is down: the sweeps re-issue what could not be published, and
# what a dead worker had taken. Copies of it in Redis would come an hour late, a second time; and
# a worker that cannot put them back, because Redis ended, ends too (seen with kombu 5.7).
CELERY_BROKER_TRANSPORT_OPTIONS = {"ack_emulation": False, "max_retries": 0}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ROUTES = {
    # Whatever reads or writes a whole list, for minutes: sending does not wait behind it.
    "insurers.tasks.*": {"queue": "ingest"},
    "notifications.tasks.start_campaign": {"queue": "ingest"},
    "notifications.tasks.tell_crowded": {"queue": "ingest"},
    "notifications.tasks.reach": {"queue": "ingest"},
    "notifications.tasks.make_evidence": {"queue": "ingest"},
    # The sweep never waits behind what it is there to look after.
    "notifications.tasks.resume_campaigns": {"queue": "default"},
    "notifications.tasks.watch": {"queue": "default"},
    "notifications.tasks.sms_receipts": {"queue": "default"},
    "notifications.tasks.send_trial": {"queue": "default"},  # somebody waits for it
    "notifications.tasks.read_receipts": {"queue": "default"},
    "notifications.tasks.read_mailboxes": {"queue": "default"},
    "notifications.tasks.read_mailbox": {"queue": "default"},
    "notifications.tasks.forget_suspicious": {"queue": "default"},
    "notifications.tasks.sum_up_register": {"queue": "default"},
    "notifications.tasks.recount_register": {"queue": "default"},
    "notifications.tasks.forget_questions": {"queue": "default"},
    "notifications.tasks.apply_retention": {"queue": "default"},
    "notifications.tasks.look_for_alerts": {"queue": "default"},
    "notifications.tasks.check_trail": {"queue": "default"},
    "notifications.tasks.sign_expiry": {"queue": "default"},
    "notifications.tasks.draw_samples": {"queue": "default"},  # somebody waits for it
    # Somebody waits for this: never behind a campaign.
    "notifications.tasks.answer": {"queue": "reply"},
    "notifications.tasks.watch_replies": {"queue": "reply"},
    "notifications.tasks.check_senders": {"queue": "default"},
    "notifications.tasks.check_sender_domain": {"queue": "default"},
    "notifications.tasks.let_heads_leave": {"queue": "default"},
    "notifications.tasks.*": {"queue": "dispatch"},
}
CELERY_BEAT_SCHEDULE = {
    "read-receipts": {"task": "notifications.tasks.read_receipts", "schedule": 5.0},
    "read-mailboxes": {"task": "notifications.tasks.read_mailboxes", "schedule": 60.0},
    "resume-lists": {"task": "insurers.tasks.resume_lists", "schedule": 10.0},
    "answer": {"task": "notifications.tasks.answer", "schedule": 1.0},
    "forget-questions": {"task": "notifications.tasks.forget_questions", "schedule": 3600.0},
    "watch": {"task": "notifications.tasks.watch", "schedule": 10.0},
    "watch-replies": {"task": "notifications.tasks.watch_replies", "schedule": 10.0},
    "resume-campaigns": {"task": "notifications.tasks.resume_campaigns", "schedule": 5.0},
    "forget-suspicious": {"task": "notifications.tasks.forget_suspicious", "schedule": 3600.0},
    "check-senders": {"task": "notifications.tasks.check_senders", "schedule": 60.0},
    "let-heads-leave": {"task": "notifications.tasks.let_heads_leave", "schedule": 60.0},
    "write-to-waiting": {"task": "lookup.tasks.write_to_waiting", "schedule": 10.0},
    "look-for-alerts": {"task": "notifications.tasks.look_for_alerts", "schedule": 600.0},
    "check-trail": {"task": "notifications.tasks.check_trail", "schedule": 86400.0},
    "sign-expiry": {"task": "notifications.tasks.sign_expiry", "schedule": 86400.0},
    "draw-samples": {"task": "notifications.tasks.draw_samples", "schedule": 30.0},
    "apply-retention": {"task": "notifications.tasks.apply_retention", "schedule": 3600.0},
    "sum-up-register": {"task": "notifications.tasks.sum_up_register", "schedule": 10.0},
    "recount-register": {
        "task": "notifications.tasks.recount_register",
        "schedule": crontab(hour="3", minute="20"),
    },
    "sms-receipts": {"task": "notifications.tasks.sms_receipts", "schedule": 30.0},
}

# Accounts: closed sign-up, e-mail sign-in, Argon2id, a second factor.
AUTH_USER_MODEL = "breachportal.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("MinimumLengthValidator", {"min_length": 12}),
        ("UserAttributeSimilarityValidator", {}),
        ("CommonPasswordValidator", {}),
    )
]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home_for_staff"
ACCOUNT_ADAPTER = "breachportal.accounts.ClosedSignUpAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_USER_DISPLAY = "breachportal.accounts.display_name"
# Five wrong passwords or codes for an account in five minutes, ten from an address in one.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/300s/key"}
# How many proxies in front append to X-Forwarded-For; 0 trusts the connection's own address.
ALLAUTH_TRUSTED_PROXY_COUNT = int(env.read("TRUSTED_PROXY_COUNT", "0"))
MFA_ADAPTER = "breachportal.accounts.SealedSecretsAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Portail violations"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEMO
SESSION_COOKIE_AGE = 30 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True

SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^sante/$"]  # asked from within, without TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "fr"
LANGUAGES = [("fr", _("Français")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Europe/Paris"
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATIC_ROOT = env.read("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Mail.
EMAIL_HOST = env.read("EMAIL_HOST", "localhost")
EMAIL_PORT = int(env.read("EMAIL_PORT", "25"))
EMAIL_HOST_USER = env.read("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.read("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS")
EMAIL_TIMEOUT = float(env.read("EMAIL_TIMEOUT", "30"))
_SENDER = "portail@example.fr" if DEMO else "" if ROLE == "owner" else None
DEFAULT_FROM_EMAIL = env.read("DEFAULT_FROM_EMAIL", _SENDER)
# The domain whose mailbox `bounce+…` takes what cannot be delivered; without it bounces go to the
# sender's address. BOUNCE_MAILDIR is where the worker finds them (docs/production.md).
BOUNCE_DOMAIN = env.read("BOUNCE_DOMAIN", "")
BOUNCE_MAILDIR = Path(env.read("BOUNCE_MAILDIR")) if env.read("BOUNCE_MAILDIR", "") else None
# The portal signs only where it is given a key; else the MTA in front does.
DKIM_DOMAIN = env.read("DKIM_DOMAIN", "")
DKIM_SELECTOR = env.read("DKIM_SELECTOR", "")
DKIM_PRIVATE_KEY = env.read("DKIM_PRIVATE_KEY", "") if ROLE == "worker" else ""
# Whom to ask about the domains that e-mail is sent from; without it, what the system asks. The
# demonstration, whose domains are fictional, asks nobody.
DNS_RESOLVERS = env.dns_servers("DNS_RESOLVERS")
# Providers' interfaces, those in the European Union where there are several; keys are sealed.
ANYMAIL = {
    "MAILGUN_API_URL": "https://api.eu.mailgun.net/v3",
    "SENDGRID_API_URL": "https://api.eu.sendgrid.com/v3",
    "SPARKPOST_API_URL": "https://api.eu.sparkpost.com/api/v1",
}
# anymail warns at each use that it has no account to try SendGrid with (docs/decisions/0033).
warnings.filterwarnings("ignore", "django-anymail has dropped official support for SendGrid")
# A folder that stands in for an SMS provider; without one campaigns go by e-mail only.
SMS_OUTBOX_DIR = Path(env.read("SMS_OUTBOX_DIR")) if env.read("SMS_OUTBOX_DIR", "") else None
SMS_ACCOUNT = env.sms_account(with_secrets=ROLE == "worker")
# When an alert is raised: an insurer that says nothing since the announcement, a key of that age.
SILENT_AFTER_DAYS = int(env.read("SILENT_AFTER_DAYS", "14"))
KEY_LASTS_DAYS = int(env.read("KEY_LASTS_DAYS", "365"))
# How long what is kept of people stays, unless the operator says otherwise for a breach.
RETENTION_CONTACTS_DAYS = int(env.read("RETENTION_CONTACTS_DAYS", "90"))
TRAIL_MONTHS = int(env.read("TRAIL_MONTHS", "36"))
RETENTION_PROBLEMS_DAYS = int(env.read("RETENTION_PROBLEMS_DAYS", "30"))
# When nothing leaves, by the clock in Paris: "22:00-07:00"; "" is no quiet hours.
QUIET_HOURS = read_quiet_hours(env.read("QUIET_HOURS", ""))
# Messages a second and a day of one sender, by channel; None is no limit.
SENDING_PACE = {
    channel: (
        float(env.read(f"{channel.upper()}_PER_SECOND", "0")) or None,
        int(env.read(f"{channel.upper()}_PER_DAY", "0")) or None,
    )
    for channel in ("email", "sms")
}
# How many messages a worker process has in hand at once, each on a connection of its own: what a
# killed process leaves in doubt. More of them share PostgreSQL's writes to a slow disk.
SENDING_CONNECTIONS = int(env.read("SENDING_CONNECTIONS", "8"))

# Sealing and keys (docs/security.md). The web process seals and cannot open.
UPLOAD_DIR = Path(env.read("UPLOAD_DIR", "" if ROLE == "owner" else None))
# Where workers leave packs of evidence for web to give out, for a few days; neither backed up.
EVIDENCE_DIR = Path(env.read("EVIDENCE_DIR", str(UPLOAD_DIR / "evidence")))
# Where workers leave the trail's signed heads, each hour: best another machine's disk.
TRAIL_HEADS_DIR = Path(env.read("TRAIL_HEADS_DIR")) if env.read("TRAIL_HEADS_DIR", "") else None
# `file:///folder` or `wrapped:///folder`; without it, the folder KEY_STORE_DIR.
KEY_STORE_URL = env.read("KEY_STORE_URL", "")
KEY_STORE_DIR = Path(
    env.read("KEY_STORE_DIR", None if ROLE == "worker" and not KEY_STORE_URL else "")
)
_WRAPPED = ROLE == "worker" and KEY_STORE_URL.startswith("wrapped:")
KEY_STORE_MASTER_KEY = env.read("KEY_STORE_MASTER_KEY", None if _WRAPPED else "")
SEALING_PUBLIC_KEY = env.read("SEALING_PUBLIC_KEY", "" if ROLE == "owner" else None)
REFERENCE_LOOKUP_KEY = env.read("REFERENCE_LOOKUP_KEY", "" if ROLE == "owner" else None)
SEALING_PRIVATE_KEY = env.read("SEALING_PRIVATE_KEY", None if ROLE == "worker" else "")
# Only while the pair is being replaced (`manage.py rotate_sealing_key`).
SEALING_PRIVATE_KEY_PREVIOUS = env.read("SEALING_PRIVATE_KEY_PREVIOUS", "")
REFERENCE_KEY = env.read("REFERENCE_KEY", None if ROLE == "worker" else "")

# How many people may ask at once whether they are concerned: what the workers can answer in time.
PERSONAL_CHECKS_PER_MINUTE = int(env.read("PERSONAL_CHECKS_PER_MINUTE", "60000"))

# Rules that may change by decision or by law.
# How long after its awareness an insurer may notify the authority (GDPR, article 33(1)), in hours.
AUTHORITY_HOURS = int(env.read("AUTHORITY_HOURS", "72"))
NIR_ALLOWED = env.flag("NIR_ALLOWED")
UPLOAD_MAX_BYTES = int(env.read("UPLOAD_MAX_BYTES", str(4 * 1024**3)))
EXPANDED_MAX_BYTES = int(env.read("EXPANDED_MAX_BYTES", str(UPLOAD_MAX_BYTES)))
# Workbooks are held whole by the process that opens them.
SPREADSHEET_MAX_BYTES = int(env.read("SPREADSHEET_MAX_BYTES", str(200 * 1024**2)))
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024**2

# Where `manage.py metrics` listens: an internal network only, it asks for no password.
METRICS_ADDRESS = env.read("METRICS_ADDRESS", "127.0.0.1")
METRICS_PORT = int(env.read("METRICS_PORT", "9108"))

# Lines for people in the demo, one JSON object a line for whoever collects them elsewhere.
LOG_FORMAT = env.read("LOG_FORMAT", "text" if DEMO else "json")
if LOG_FORMAT not in {"text", "json"}:
    raise ImproperlyConfigured("LOG_FORMAT is text or json.")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "breachportal.logs.ScrubbingFormatter"},
        "json": {"()": "breachportal.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "httpx": {"level": "WARNING"},  # It logs addresses with their query.
        "flufl.bounce": {"level": "CRITICAL"},  # It tells of each letter that it cannot read.
    },
}

SILENCED_SYSTEM_CHECKS: list[str] = []
