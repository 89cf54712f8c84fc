from django.urls import path

from insurers.api import token_views
from insurers.team import views as team_views

urlpatterns = [
    path("espace/equipe/", team_views.team, name="team"),
    path("espace/equipe/<slug:slug>/inviter/", team_views.team_invite, name="team_invite"),
    path(
        "espace/equipe/roles/<int:membership_id>/confirmer/",
        team_views.membership_confirm,
        name="membership_confirm",
    ),
    path(
        "espace/equipe/roles/<int:membership_id>/terminer/",
        team_views.membership_end,
        name="membership_end",
    ),
    path(
        "espace/equipe/invitations/<int:invitation_id>/retirer/",
        team_views.invitation_withdraw,
        name="invitation_withdraw",
    ),
    path("espace/equipe/<slug:slug>/jetons/", token_views.api_tokens, name="api_tokens"),
    path(
        "espace/equipe/jetons/<int:token_id>/revoquer/",
        token_views.api_token_revoke,
        name="api_token_revoke",
    ),
    path("invitation/<str:token>/", team_views.invitation, name="invitation"),
    path("invitation/<str:token>/rejoindre/", team_views.invitation_join, name="invitation_join"),
]
