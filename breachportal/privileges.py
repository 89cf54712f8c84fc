"""Who holds what in PostgreSQL: the one place that says it (docs/security.md explains).

Applied by the owner role after every migrate, in one transaction: each table's rights are
taken away, then given as written here. A table that is not named here is out of reach, and
`tests/breachportal/test_privileges.py` compares this page with the catalogue.
"""

from django.db import connections, transaction

WEB, WORKER, OWNER = "breachportal_web", "breachportal_worker", "breachportal_owner"

READ, APPEND, WRITE = "SELECT", "SELECT, INSERT", "SELECT, INSERT, UPDATE, DELETE"

DIRECTORY = [
    "insurers_advice",
    "insurers_advice_sources",
    "insurers_affiliation",
    "insurers_amcnumber",
    "insurers_breach",
    "insurers_breach_sources",
    "insurers_breachoperator",
    "insurers_breachoperator_sources",
    "insurers_caveat",
    "insurers_caveat_sources",
    "insurers_conflict",
    "insurers_conflict_sources",
    "insurers_datacategory",
    "insurers_exposeddata",
    "insurers_exposeddata_sources",
    "insurers_impactreport",
    "insurers_insurer",
    "insurers_insureralias",
    "insurers_operator",
    "insurers_population",
    "insurers_source",
    "insurers_timelineentry",
    "insurers_timelineentry_sources",
]
ACCOUNTS = [
    "breachportal_user",
    "breachportal_user_groups",
    "breachportal_user_user_permissions",
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_admin_log",
    "django_content_type",
    "django_session",
    "account_emailaddress",
    "account_emailconfirmation",
    "mfa_authenticator",
    "usersessions_usersession",
]

# table: (rights of the web role, rights of the worker role); None is no right at all.
PRIVILEGES: dict[str, tuple[str | None, str | None]] = {
    **dict.fromkeys(DIRECTORY, (WRITE, READ)),
    **dict.fromkeys(ACCOUNTS, (WRITE, None)),
    "breachportal_user": (WRITE, READ),
    "django_migrations": (READ, READ),
    "audit_auditentry": (APPEND, APPEND),
    "audit_trailhead": (None, READ),
    "audit_trailcheckpoint": (None, APPEND),
    "insurers_membership": (WRITE, READ),
    "insurers_mandate": (WRITE, READ),
    "insurers_mandate_breaches": (WRITE, READ),
    "insurers_mandate_insurers": (WRITE, READ),
    "insurers_invitation": (WRITE, READ),
    "insurers_declaration": ("SELECT, INSERT, UPDATE", READ),
    "insurers_apitoken": ("SELECT, INSERT, UPDATE", READ),
    "insurers_upload": ("SELECT, INSERT, UPDATE", "SELECT, UPDATE"),
    "insurers_upload_operators": (APPEND, READ),
    "insurers_affectedlist": ("SELECT, INSERT, UPDATE", "SELECT, INSERT, UPDATE"),
    "insurers_affectedlist_operators": (APPEND, APPEND),
    "insurers_listblock": (None, WRITE),
    "insurers_listproblem": (READ, WRITE),
    "insurers_listedalready": (READ, WRITE),
    "insurers_listcolumn": ("SELECT, UPDATE", WRITE),
    "insurers_rememberedcolumn": (WRITE, WRITE),
    "insurers_listreport": (READ, WRITE),
    "insurers_listpurge": (READ, "SELECT, INSERT, UPDATE"),
    "insurers_fingerprintkey": (None, "SELECT, INSERT, UPDATE"),
    "insurers_addresskey": (None, "SELECT, INSERT, UPDATE"),
    "insurers_keyreport": (None, WRITE),
    "notifications_notice": (APPEND, READ),
    "notifications_notice_operators": (APPEND, READ),
    "notifications_noticeversion": (APPEND, READ),
    "notifications_trial": (APPEND, "SELECT, UPDATE"),
    "notifications_approval": (APPEND, READ),
    "notifications_campaign": ("SELECT, INSERT, UPDATE", "SELECT, UPDATE"),
    "notifications_exemption": ("SELECT, INSERT, UPDATE", READ),
    "notifications_tally": (READ, WRITE),
    "notifications_tallychange": (READ, WRITE),
    "notifications_registerchange": (APPEND, WRITE),
    "notifications_registersum": (READ, WRITE),
    "notifications_recountresult": (READ, WRITE),
    "notifications_recountdifference": (READ, WRITE),
    "notifications_recordversion": (APPEND, READ),
    "notifications_listreach": (READ, APPEND),
    "notifications_dispatchbatch": (None, WRITE),
    "notifications_acceptance": (None, WRITE),
    "notifications_notification": (None, WRITE),
    "notifications_notificationmember": (None, WRITE),
    "notifications_covered": (None, READ),
    "notifications_crowdedaddress": (None, WRITE),
    "notifications_crowdedchoice": ("SELECT, UPDATE", WRITE),
    # Who a message was for is forgotten when its breach is closed, and nothing else changes.
    "notifications_deliveryevent": (None, f"{APPEND}, UPDATE (notification_id)"),
    "notifications_told": (None, f"{WRITE}, MAINTAIN"),  # to ANALYZE it before it is wrapped
    "notifications_providerreference": (None, "SELECT, INSERT, DELETE"),
    "notifications_receipt": (None, WRITE),
    "notifications_senderpace": (None, WRITE),
    "notifications_dispatchticket": (None, WRITE),
    "notifications_smspart": (None, WRITE),
    "notifications_letterexport": ("SELECT, INSERT, UPDATE", "SELECT, INSERT, UPDATE"),
    # The worker seals credentials anew when the pair is replaced, and changes nothing else.
    "notifications_sendingidentity": (
        "SELECT, INSERT, UPDATE",
        f"{READ}, UPDATE (sealed_credentials)",
    ),
    "notifications_sendercheck": (READ, WRITE),
    "notifications_statement": (APPEND, READ),
    "notifications_statementversion": (APPEND, READ),
    "notifications_publication": ("SELECT, INSERT, UPDATE", READ),
    # What everybody may read of these: views of the owner's, with nothing else in them.
    "notifications_publishedstatement": (READ, READ),
    "notifications_declaredsender": (READ, None),
    "notifications_declaredname": (READ, None),
    "notifications_sealedreceipt": ("INSERT", "SELECT, UPDATE, DELETE"),
    "notifications_suppression": (None, WRITE),
    "notifications_campaignsample": (READ, WRITE),
    "notifications_answerexample": (READ, APPEND),
    "notifications_sealedquestion": ("INSERT", "SELECT, UPDATE, DELETE"),
    "notifications_takenquestion": (None, WRITE),
    "notifications_reply": (None, WRITE),
    "notifications_staffquestion": (APPEND, "SELECT, UPDATE, DELETE"),
    "notifications_staffanswer": (READ, "SELECT, INSERT, DELETE"),
    "notifications_evidencekey": (READ, APPEND),
    "notifications_keptheads": (READ, "SELECT, INSERT, UPDATE"),
    "notifications_evidencepack": (APPEND, "SELECT, UPDATE"),
    "notifications_suspiciousmessage": (APPEND, "SELECT, DELETE"),
    "notifications_retentionperiod": (WRITE, READ),
    "notifications_erasure": (READ, "SELECT, INSERT, UPDATE"),
    "notifications_alert": (READ, "SELECT, INSERT, UPDATE"),
    "notifications_sample": (APPEND, "SELECT, UPDATE, DELETE"),
    # Addresses typed in are sealed by web, which reads none; how many wait is a view of counts.
    "lookup_waitingrequest": ("INSERT", "SELECT, UPDATE, DELETE"),
    "lookup_waitingaddress": (None, WRITE),
    "lookup_sentconfirmation": (None, "SELECT, INSERT, DELETE"),
    "lookup_waitingkey": (None, APPEND),
    "lookup_waitingtally": (READ, WRITE),
    "lookup_waitingcount": (READ, None),
    # Beat connects as web, and notes that it lives.
    "notifications_heartbeat": ("SELECT, INSERT, UPDATE", "SELECT, INSERT, UPDATE"),
}

# Functions that run with the owner's rights, and the one role that may call each.
CALLS = {
    "notifications_find_reference(bytea)": WEB,
    "notifications_find_reply(bytea)": WEB,
    "lookup_find_waiting(bytea)": WEB,
    "lookup_confirm_waiting(bytea)": WEB,
    "lookup_remove_waiting(bytea)": WEB,
}

# In a sub-select PostgreSQL reads the setting once for a statement, not for each row: an auditor of
# four hundred insurers has a long one.
OWN = "insurer_id = ANY ((SELECT portal_insurers())::uuid[])"
SCOPES = "(SELECT portal_scopes())::text[]"


def _of(parent: str, column: str) -> str:
    """Return the condition « the parent row is visible » (the parent's policy applies)."""
    return f"EXISTS (SELECT FROM {parent} AS parent WHERE parent.id = {column})"


STAFF = "portal_role() = 'staff'"
OPERATOR = "portal_role() = 'operator'"
INVITED = "portal_role() = 'invited'"
OWN_USER = "user_id::text = portal_user()"
OWN_QUESTION = "asked_by_id::text = portal_user()"

# table: (rows the web role sees, rows it may write). The worker and the owner see all.
ROW_POLICIES: dict[str, tuple[str, str]] = {
    "insurers_membership": (
        f"{OWN} OR {OWN_USER} OR {OPERATOR}",
        f"({OWN} AND {STAFF}) OR {OPERATOR} OR {INVITED}",
    ),
    "insurers_mandate": (
        f"{OWN_USER} OR {OPERATOR} OR {INVITED}",
        f"{OPERATOR} OR {INVITED}",
    ),
    "insurers_mandate_breaches": (_of("insurers_mandate", "mandate_id"), OPERATOR),
    "insurers_mandate_insurers": (_of("insurers_mandate", "mandate_id"), OPERATOR),
    "insurers_invitation": (
        f"{OWN} OR {OPERATOR} OR {INVITED}",
        f"({OWN} AND {STAFF}) OR {OPERATOR} OR {INVITED}",
    ),
    "insurers_declaration": (OWN, f"{OWN} AND {STAFF}"),
    "insurers_apitoken": (
        f"{OWN} OR encode(secret_sha256, 'hex') = portal_token()",
        f"{OWN} AND {STAFF}",
    ),
    "insurers_upload": (OWN, f"{OWN} AND {STAFF}"),
    "insurers_upload_operators": (
        _of("insurers_upload", "upload_id"),
        f"{_of('insurers_upload', 'upload_id')} AND {STAFF}",
    ),
    "insurers_affectedlist": (OWN, f"{OWN} AND {STAFF}"),
    "insurers_affectedlist_operators": (
        _of("insurers_affectedlist", "affectedlist_id"),
        f"{_of('insurers_affectedlist', 'affectedlist_id')} AND {STAFF}",
    ),
    "insurers_listproblem": (_of("insurers_affectedlist", "list_id"), "false"),
    "insurers_listedalready": (_of("insurers_affectedlist", "list_id"), "false"),
    "insurers_listcolumn": (
        _of("insurers_affectedlist", "list_id"),
        f"{_of('insurers_affectedlist', 'list_id')} AND {STAFF}",
    ),
    "insurers_rememberedcolumn": (OWN, f"{OWN} AND {STAFF}"),
    "insurers_listreport": (_of("insurers_affectedlist", "affected_list_id"), "false"),
    "insurers_listpurge": (_of("insurers_affectedlist", "list_id"), "false"),
    "notifications_notice": (OWN, f"{OWN} AND {STAFF}"),
    "notifications_notice_operators": (
        _of("notifications_notice", "notice_id"),
        f"{_of('notifications_notice', 'notice_id')} AND {STAFF}",
    ),
    "notifications_noticeversion": (
        _of("notifications_notice", "notice_id"),
        f"{_of('notifications_notice', 'notice_id')} AND {STAFF}",
    ),
    "notifications_trial": (
        f"{_of('notifications_noticeversion', 'version_id')} AND asked_by_id::text = portal_user()",
        f"{_of('notifications_noticeversion', 'version_id')} AND {STAFF}"
        " AND asked_by_id::text = portal_user()",
    ),
    "notifications_approval": (
        _of("notifications_campaign", "campaign_id"),
        f"{_of('notifications_campaign', 'campaign_id')} AND {STAFF}"
        " AND approved_by_id::text = portal_user()",
    ),
    "notifications_campaign": (OWN, f"{OWN} AND {STAFF}"),
    "notifications_exemption": (OWN, f"{OWN} AND {STAFF}"),
    "notifications_tally": (OWN, "false"),
    "notifications_tallychange": (_of("notifications_campaign", "campaign_id"), "false"),
    "notifications_registerchange": (OWN, f"{OWN} AND {STAFF}"),
    "notifications_registersum": (OWN, "false"),
    "notifications_recountdifference": (f"{OWN} OR {OPERATOR}", "false"),
    "notifications_recordversion": (OWN, f"{OWN} AND {STAFF}"),
    "notifications_crowdedchoice": (
        _of("notifications_campaign", "campaign_id"),
        f"{_of('notifications_campaign', 'campaign_id')} AND {STAFF}",
    ),
    "notifications_campaignsample": (_of("notifications_campaign", "campaign_id"), "false"),
    "notifications_answerexample": (_of("notifications_campaign", "campaign_id"), "false"),
    "notifications_letterexport": (OWN, f"{OWN} AND {STAFF}"),
    "notifications_listreach": (_of("insurers_affectedlist", "affected_list_id"), "false"),
    # An auditor asks for evidence too, within a mandate.
    "notifications_evidencepack": (
        OWN,
        f"{OWN} AND portal_role() IN ('staff', 'auditor')"
        " AND requested_by_id::text = portal_user() AND state = 'asked'",
    ),
    # A provider's webhook sees the identity it names, to check its signature, and no other. What
    # the operator approved, the insurer's staff no longer change.
    "notifications_sendingidentity": (
        f"{OWN} OR {OPERATOR} OR id::text = portal_webhook()",
        f"({OWN} AND {STAFF} AND state IN ('proposed', 'ended')) OR {OPERATOR}",
    ),
    # Anybody reports; an insurer's readers see what names it, the operator all.
    "notifications_suspiciousmessage": (f"{OWN} OR {OPERATOR}", "true"),
    "notifications_statement": (OWN, f"{OWN} AND {STAFF}"),
    "notifications_statementversion": (
        _of("notifications_statement", "statement_id"),
        f"{_of('notifications_statement', 'statement_id')} AND {STAFF}",
    ),
    "notifications_publication": (OWN, f"{OWN} AND {STAFF}"),
    "notifications_retentionperiod": (f"insurer_id IS NULL OR {OWN} OR {OPERATOR}", OPERATOR),
    "notifications_erasure": (f"insurer_id IS NULL OR {OWN} OR {OPERATOR}", "false"),
    "notifications_alert": (
        f"{OWN} OR (is_for_operator AND {OPERATOR})"
        " OR (insurer_id IS NULL AND portal_role() = 'auditor')",
        "false",
    ),
    # One's own; what it holds is the worker's word.
    "notifications_sample": (
        f"{OWN} AND asked_by_id::text = portal_user()",
        f"{OWN} AND portal_role() = 'auditor' AND asked_by_id::text = portal_user()"
        " AND made_at IS NULL",
    ),
    "lookup_waitingtally": (f"{OWN} OR {OPERATOR}", "false"),
    # One's own, as they were asked: what counts them is the worker's word.
    "notifications_staffquestion": (
        f"{OWN} AND {OWN_QUESTION}",
        f"{OWN} AND {OWN_QUESTION} AND taken_at IS NULL AND outcome = ''"
        f" AND CASE WHEN asked = 'match' THEN portal_role() = 'auditor' ELSE {STAFF} END",
    ),
    "notifications_staffanswer": (_of("notifications_staffquestion", "question_id"), "false"),
    "notifications_sendercheck": (
        f"identity_id IS NULL OR {_of('notifications_sendingidentity', 'identity_id')}",
        "false",
    ),
    "audit_auditentry": (
        f"scope = ANY ({SCOPES}) OR (scope = 'portal' AND portal_role() IN"
        " ('operator', 'auditor'))",
        f"scope = 'portal' OR scope = ANY ({SCOPES}) OR portal_role() IN ('operator', 'invited')",
    ),
}

FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION portal_insurers() RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT string_to_array(nullif(current_setting('portal.insurers', true), ''), ',')::uuid[] $$;
CREATE OR REPLACE FUNCTION portal_scopes() RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array(SELECT 'insurer:' || insurer::text FROM unnest(portal_insurers()) AS insurer) $$;
CREATE OR REPLACE FUNCTION portal_role() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('portal.role', true), '') $$;
CREATE OR REPLACE FUNCTION portal_user() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('portal.user', true), '') $$;
CREATE OR REPLACE FUNCTION portal_token() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('portal.token', true), '') $$;
CREATE OR REPLACE FUNCTION portal_webhook() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('portal.webhook', true), '') $$;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {WEB}, {WORKER};
"""


def statements() -> list[str]:
    """Return the SQL that makes the database as this module says."""
    sql = ["SET LOCAL lock_timeout = '10s'", FUNCTIONS]
    for table, (web, worker) in PRIVILEGES.items():
        sql += [
            f"GRANT {rights} ON {table} TO {role}"
            for role, rights in ((WEB, web), (WORKER, worker))
            if rights
        ]
    for function, role in CALLS.items():
        sql += [
            f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC, {WEB}, {WORKER}",
            f"GRANT EXECUTE ON FUNCTION {function} TO {role}",
        ]
    for table, (seen, written) in ROW_POLICIES.items():
        sql += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        ]
        policies = [("everything", "ALL", f"{WORKER}, {OWNER}", "USING (true)")]
        policies += [("seen", "SELECT", WEB, f"USING ({seen})")]
        policies += [
            (f"written_{verb.lower()}", verb, WEB, condition)
            for verb, condition in (
                ("INSERT", f"WITH CHECK ({written})"),
                ("UPDATE", f"USING ({written}) WITH CHECK ({written})"),
                ("DELETE", f"USING ({written})"),
            )
        ]
        for name, verb, role, condition in policies:
            sql.append(f"DROP POLICY IF EXISTS {name} ON {table}")
            sql.append(f"CREATE POLICY {name} ON {table} FOR {verb} TO {role} {condition}")
    return sql


def apply_privileges(*, using: str = "default") -> None:
    """Apply all of it, as the owner role, or nothing."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        for statement in statements():
            cursor.execute(statement)
