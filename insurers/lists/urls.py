from django.urls import path

from insurers import declaration_views
from insurers.lists import column_views, upload_views
from insurers.lists import views as list_views

urlpatterns = [
    path(
        "espace/declarations/<slug:breach_slug>/<slug:insurer_slug>/",
        declaration_views.declare,
        name="declare",
    ),
    path("espace/listes/nouvelle/", list_views.list_upload, name="list_upload"),
    path("espace/listes/envois/", upload_views.upload_start, name="upload_start"),
    path("espace/listes/envois/<uuid:upload_id>/", upload_views.upload_part, name="upload_part"),
    path(
        "espace/listes/envois/<uuid:upload_id>/annuler/",
        upload_views.upload_cancel,
        name="upload_cancel",
    ),
    path("espace/listes/<int:list_id>/", list_views.list_detail, name="list_detail"),
    path("espace/listes/<int:list_id>/avancement/", list_views.list_progress, name="list_progress"),
    path("espace/listes/<int:list_id>/problemes.csv", list_views.list_errors, name="list_errors"),
    path("espace/listes/<int:list_id>/colonnes/", column_views.list_columns, name="list_columns"),
    path(
        "espace/listes/<int:list_id>/colonnes/oublier/<int:remembered_id>/",
        column_views.column_forget,
        name="column_forget",
    ),
    path("espace/listes/<int:list_id>/accepter/", list_views.list_accept, name="list_accept"),
    path("espace/listes/<int:list_id>/refuser/", list_views.list_refuse, name="list_refuse"),
    path("espace/listes/<int:list_id>/retirer/", list_views.list_withdraw, name="list_withdraw"),
]
