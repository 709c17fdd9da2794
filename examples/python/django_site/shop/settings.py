"""The settings, reduced to the minimum. OmniQ and Django use the same database."""

import os

from psycopg.conninfo import conninfo_to_dict

OMNIQ_URL = os.environ["OMNIQ_URL"]
_parts = conninfo_to_dict(OMNIQ_URL)

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _parts.get("dbname"),
        "USER": _parts.get("user"),
        "PASSWORD": _parts.get("password"),
        "HOST": _parts.get("host"),
        "PORT": _parts.get("port"),
    }
}
# Without middleware there is no CSRF check, so that curl can post. A real site sets MIDDLEWARE here.
INSTALLED_APPS = ["shop"]
ROOT_URLCONF = "shop.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECRET_KEY = os.environ.get("SECRET_KEY", "only for trying out")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
USE_TZ = True
