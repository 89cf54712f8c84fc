from django.urls import path

from notifications import space_views
from notifications.alerts import views as alert_views
from notifications.campaigns import crowded_views
from notifications.campaigns import step_views as campaign_step_views
from notifications.campaigns import views as campaign_views
from notifications.evidence import views as evidence_views
from notifications.exemptions import views as exemption_views
from notifications.letters import views as letter_views
from notifications.notices import preview_views, version_views
from notifications.notices import views as notice_views
from notifications.receipts import webhook_views
from notifications.register import record_views
from notifications.register import views as register_views
from notifications.replies import staff_views as staff_question_views
from notifications.retention import views as retention_views
from notifications.rights import views as rights_views
from notifications.samples import views as sample_views
from notifications.senders import views as identity_views
from notifications.statements import views as statement_views
from notifications.verifying import suspicious_views

urlpatterns = [
    path("espace/", space_views.space, name="space"),
    path(
        "registre/listes/<int:list_id>/echantillon/", sample_views.sample_list, name="sample_list"
    ),
    path("registre/echantillons/<int:sample_id>/", sample_views.sample, name="sample"),
    path("espace/alertes/", alert_views.alerts, name="alerts"),
    path("espace/conservation/", retention_views.retention, name="retention"),
    path("espace/droits/", rights_views.rights, name="rights"),
    path("registre/personne/", rights_views.match, name="match"),
    path("registre/personne/<uuid:number>/", rights_views.person_answer, name="person_answer"),
    path("espace/question/", staff_question_views.staff_question, name="staff_question"),
    path("espace/question/<uuid:number>/", staff_question_views.staff_answer, name="staff_answer"),
    path("espace/listes/<int:list_id>/avis/", notice_views.notice_create, name="notice_create"),
    path("espace/avis/<int:notice_id>/", notice_views.notice_edit, name="notice_edit"),
    path("espace/avis/<int:notice_id>/verifier/", notice_views.notice_check, name="notice_check"),
    path(
        "espace/avis/<int:notice_id>/versions/",
        version_views.notice_versions,
        name="notice_versions",
    ),
    path(
        "espace/avis/<int:notice_id>/apercu/", preview_views.notice_preview, name="notice_preview"
    ),
    path(
        "espace/avis/<int:notice_id>/apercu/courriel/",
        preview_views.notice_email,
        name="notice_email",
    ),
    path("espace/avis/<int:notice_id>/essai/", preview_views.notice_try, name="notice_try"),
    path(
        "espace/avis/<int:notice_id>/soumettre/", notice_views.notice_submit, name="notice_submit"
    ),
    path("espace/campagnes/", campaign_views.campaign_list, name="campaigns"),
    path("espace/campagnes/<int:campaign_id>/", campaign_views.campaign, name="campaign"),
    path(
        "espace/campagnes/<int:campaign_id>/avancement/",
        campaign_views.campaign_progress,
        name="campaign_progress",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/evolution/",
        campaign_views.campaign_course,
        name="campaign_course",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/approuver/",
        campaign_step_views.campaign_approve,
        name="campaign_approve",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/renvoyer/",
        campaign_step_views.campaign_return,
        name="campaign_return",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/reprendre/",
        campaign_step_views.campaign_resume,
        name="campaign_resume",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/pause/",
        campaign_step_views.campaign_pause,
        name="campaign_pause",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/continuer/",
        campaign_step_views.campaign_unpause,
        name="campaign_unpause",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/annuler/",
        campaign_step_views.campaign_cancel_ask,
        name="campaign_cancel_ask",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/annuler/definitivement/",
        campaign_step_views.campaign_cancel,
        name="campaign_cancel",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/adresses-partagees/",
        crowded_views.crowded_addresses,
        name="crowded_addresses",
    ),
    path(
        "espace/campagnes/<int:campaign_id>/lettres/", letter_views.letters_ask, name="letters_ask"
    ),
    path(
        "espace/campagnes/<int:campaign_id>/lettres/avancement/",
        letter_views.letters_progress,
        name="letters_progress",
    ),
    path(
        "espace/avis/<int:notice_id>/apercu/lettre.pdf",
        letter_views.letter_preview,
        name="letter_preview",
    ),
    path(
        "espace/avis/<int:notice_id>/apercu/lettre.<int:number>.png",
        letter_views.letter_preview_page,
        name="letter_preview_page",
    ),
    path(
        "espace/lettres/<int:export_id>/telecharger/",
        letter_views.letters_download,
        name="letters_download",
    ),
    path(
        "espace/equipe/<slug:slug>/courriel/",
        identity_views.sending_identities,
        name="sending_identities",
    ),
    path(
        "espace/signalements/",
        suspicious_views.suspicious_messages,
        name="suspicious_messages",
    ),
    path(
        "espace/communications/<slug:breach_slug>/<slug:insurer_slug>/",
        statement_views.statement,
        name="statement",
    ),
    path(
        "espace/communications/<slug:breach_slug>/<slug:insurer_slug>/soumettre/",
        statement_views.statement_submit,
        name="statement_submit",
    ),
    path("espace/listes/<int:list_id>/dispense/", exemption_views.exemption, name="exemption"),
    path(
        "espace/dispenses/<int:exemption_id>/approuver/",
        exemption_views.exemption_approve,
        name="exemption_approve",
    ),
    path(
        "espace/dispenses/<int:exemption_id>/renvoyer/",
        exemption_views.exemption_return,
        name="exemption_return",
    ),
    path(
        "espace/dispenses/<int:exemption_id>/lever/demander/",
        exemption_views.exemption_ask_to_lift,
        name="exemption_ask_to_lift",
    ),
    path(
        "espace/dispenses/<int:exemption_id>/lever/",
        exemption_views.exemption_lift,
        name="exemption_lift",
    ),
    path(
        "espace/dispenses/<int:exemption_id>/garder/",
        exemption_views.exemption_keep,
        name="exemption_keep",
    ),
    path(
        "espace/publications/<int:publication_id>/approuver/",
        statement_views.statement_approve,
        name="statement_approve",
    ),
    path(
        "espace/publications/<int:publication_id>/renvoyer/",
        statement_views.statement_return,
        name="statement_return",
    ),
    path(
        "espace/publications/<int:publication_id>/retirer/",
        statement_views.statement_withdraw,
        name="statement_withdraw",
    ),
    path(
        "espace/registre/<slug:breach_slug>/<slug:insurer_slug>/",
        record_views.record_edit,
        name="record_edit",
    ),
    path(
        "registre/<slug:breach_slug>/<slug:insurer_slug>/article-33/",
        record_views.register_record,
        name="register_record",
    ),
    path("registre/", register_views.register, name="register"),
    path("registre/<slug:breach_slug>/", register_views.register_breach, name="register_breach"),
    path(
        "registre/<slug:breach_slug>/<slug:insurer_slug>/preuves/",
        evidence_views.evidence,
        name="evidence",
    ),
    path(
        "registre/<slug:breach_slug>/<slug:insurer_slug>/preuves/avancement/",
        evidence_views.evidence_progress,
        name="evidence_progress",
    ),
    path(
        "registre/<slug:breach_slug>/<slug:insurer_slug>/preuves/demander/",
        evidence_views.evidence_ask,
        name="evidence_ask",
    ),
    path(
        "registre/preuves/<uuid:pack_id>/telecharger/",
        evidence_views.evidence_download,
        name="evidence_download",
    ),
    path(
        "registre/<slug:breach_slug>/<slug:insurer_slug>/",
        register_views.register_insurer,
        name="register_insurer",
    ),
    path(
        "avis-de-remise/<uuid:identity_id>/",
        webhook_views.provider_webhook,
        name="provider_webhook",
    ),
]
