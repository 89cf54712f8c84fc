"""Every address of the portal. French at the plain path, English under /en/."""

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy as _
from django.views.generic import RedirectView

from breachportal.account_views import admin_sign_in
from breachportal.health import health

admin.autodiscover()  # Nothing more where the application has done it.
admin.site.site_title = admin.site.site_header = _("Administration du portail")
admin.site.index_title = _("Ce que l’exploitant tient à jour")

urlpatterns = [
    path("sante/", health, name="health"),
    path("admin/login/", admin_sign_in),
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/", admin.site.urls),
    *i18n_patterns(
        # First what most people ask for: every address before it is compared at each request.
        path("", include("lookup.urls")),
        path("", include("lookup.waiting.urls")),
        path("compte/", include("breachportal.account_urls")),
        path("", include("insurers.trail_urls")),  # before /registre/<breach>/
        path("", include("notifications.urls")),
        path("", include("insurers.team.urls")),
        path("", include("insurers.lists.urls")),
        path("", include("insurers.api.urls")),
        prefix_default_language=False,
    ),
]

handler500 = "breachportal.errors.server_error"
