from django.urls import path

from insurers import declaration_views
from insurers.lists import views as list_views

urlpatterns = [
    path(
        "espace/declarations/<slug:breach_slug>/<slug:insurer_slug>/",
        declaration_views.declare,
        name="declare",
    ),
    path("espace/listes/nouvelle/", list_views.list_upload, name="list_upload"),
    path("espace/listes/<int:list_id>/", list_views.list_detail, name="list_detail"),
    path("espace/listes/<int:list_id>/avancement/", list_views.list_progress, name="list_progress"),
    path("espace/listes/<int:list_id>/problemes.csv", list_views.list_errors, name="list_errors"),
    path("espace/listes/<int:list_id>/accepter/", list_views.list_accept, name="list_accept"),
    path("espace/listes/<int:list_id>/refuser/", list_views.list_refuse, name="list_refuse"),
]
