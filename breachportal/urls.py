"""Every address of the portal. French at the plain path, English under /en/."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    *i18n_patterns(
        path("compte/", include("allauth.urls")),
        prefix_default_language=False,
    ),
]

handler500 = "breachportal.errors.server_error"
