from django.urls import path

from lookup import personal_check, sender_views, verifying, views

urlpatterns = [
    # First what most people ask for: addresses are compared in this order.
    path("", views.home, name="home"),
    path("organismes/<slug:slug>/", views.insurer, name="insurer"),
    path("suis-je-concerne/", personal_check.personal_check, name="personal_check"),
    path("verifier/", verifying.verify, name="verify"),
    path("recherche/suggestions/", views.suggestions, name="suggestions"),
    path("organismes/", views.insurers, name="insurers"),
    path("organismes.csv", views.insurers_csv, name="insurers_csv"),
    path("organismes.json", views.insurers_json, name="insurers_json"),
    path("organismes/<slug:slug>/affiche/", views.poster, name="poster"),
    path("violations/", views.breaches, name="breaches"),
    path("violations/<slug:slug>/", views.breach, name="breach"),
    path("conseils/", views.advice, name="advice"),
    path("suis-je-concerne/<slug:slug>/", personal_check.personal_check, name="personal_check_of"),
    path("verifier/signaler/", verifying.report, name="report_message"),
    path("verifier/signale/", verifying.reported, name="message_reported"),
    path("verifier/expediteurs/", sender_views.senders, name="senders"),
    path("donnees-ouvertes/", views.open_data, name="open_data"),
    path("mentions-legales/", views.legal, name="legal"),
    path("confidentialite/", views.privacy, name="privacy"),
    path("accessibilite/", views.accessibility, name="accessibility"),
    path("robots.txt", views.robots, name="robots"),
]
