from django.urls import path

from lookup.waiting import views

urlpatterns = [
    path("organismes/<slug:slug>/me-prevenir/", views.ask, name="wait_for_answer"),
    path("attente/demandee/", views.asked, name="waiting_asked"),
    # What follows is never logged (breachportal/logs.py, docs/production.md).
    path("attente/confirmer/<str:token>/", views.confirm, name="waiting_confirm"),
    path("attente/retirer/<str:token>/", views.remove, name="waiting_remove"),
]
