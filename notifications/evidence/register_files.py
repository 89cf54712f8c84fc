"""The register's line of an insurer as files: figures, lists, approvals, purges, who acted."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, Sum

from audit.trail import account, actor_of, token
from insurers.models import (
    AffectedList,
    ApiToken,
    Breach,
    Insurer,
    ListEffect,
    ListPurge,
    ListReport,
)
from notifications.evidence.archive import Archive
from notifications.evidence.trail_extract import moment
from notifications.models import Approval, Campaign, Erasure, Exemption, State, Tally
from notifications.register.figures import BUILT
from notifications.register.part import Part
from notifications.register.statements import statements_ever_public

LIST_FIGURES = (
    "size_bytes",
    "rows",
    "rows_rejected",
    "rows_duplicate",
    "rows_conflicting",
    "rows_already_listed",
    "rows_contact_changed",
    "members",
    "members_ended",
    "members_uncounted",
    "people_withdrawn",
    "members_with_email",
    "members_with_phone",
    "members_without_contact",
)


def write_register(archive: Archive, part: Part) -> None:
    """Write the figures as JSON, and the same as a table of subject, name and number."""
    told = _register(part)
    archive.add_json("register.json", told)
    archive.add_table("register.csv", ("subject", "figure", "value"), _flat(told))


def _flat(told: dict[str, Any], subject: str = "") -> Iterable[tuple[str, str, Any]]:
    for name, value in told.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{subject}/{name}" if subject else name)
        elif isinstance(value, list):
            for one in value:
                yield from _flat(one, f"{name}/{one['campaign']}")
        else:
            yield subject, name, value


def _register(part: Part) -> dict[str, Any]:
    line, declared = part.line, part.declaration
    figures = line.figures
    return {
        "breach": part.breach.slug,
        "insurer": {"id": str(part.insurer.pk), "slug": part.insurer.slug}
        | {"name": part.insurer.name},
        "declaration": {
            "is_concerned": declared.is_concerned if declared else None,
            "operator_notice_at": moment(declared.operator_notice_at) if declared else None,
            "awareness_at": moment(declared.awareness_at) if declared else None,
            "authority_notified_at": moment(declared.authority_notified_at) if declared else None,
            "authority_reference": declared.authority_reference if declared else None,
            "expected_people": declared.expected_people if declared else None,
            "declared_at": moment(declared.declared_at) if declared else None,
        },
        "people": {"listed": figures.listed}
        | {standing.value: people for standing, people in figures.standings},
        "rows_rejected": line.rows_rejected,
        "unreachable_by_reason": dict(sorted(figures.unreachable_by_reason.items())),
        "cancelled_by_reason": dict(sorted(figures.cancelled_by_reason.items())),
        "exempt_by_ground": dict(sorted(figures.exempt_by_ground.items())),
        "messages_by_state": _by_state(figures.messages),
        "first_message_at": moment(line.first_message_at),
        "last_message_at": moment(line.last_message_at),
        "campaigns": [_campaign(campaign) for campaign in part.campaigns],
    }


def _campaign(campaign: Campaign) -> dict[str, Any]:
    """Return a campaign's figures; those by state follow from its events, as the check shows."""
    sums = Tally.objects.filter(campaign=campaign).values_list("state").order_by("state")
    rows = sums.annotate(Sum("people"), Sum("messages"))
    return {
        "campaign": campaign.pk,
        "kind": campaign.kind,
        "kind_reason": campaign.kind_reason,
        "state": campaign.state,
        "list": campaign.affected_list_id,
        "is_built": campaign.state in BUILT,
        "halt_reason": campaign.halt_reason,
        "sender_override": campaign.sender_override,
        "first_message_at": moment(campaign.first_message_at),
        "last_message_at": moment(campaign.last_message_at),
        "finished_at": moment(campaign.finished_at),
        "people_by_state": {state: people for state, people, _messages in rows if people},
        "messages_by_state": {state: messages for state, _people, messages in rows if messages},
    }


def _by_state(counts: Any) -> dict[str, int]:
    return {state.value: counts[state] for state in State if counts[state]}


def write_lists(archive: Archive, lists: list[AffectedList]) -> None:
    """Write where each list comes from: its hash, its counts, who sent and who decided."""
    columns = ("list", "effect", "corrects", "state", "population", "operators", "sha256")
    who = ("uploaded_at", "uploaded_by", "decided_at", "decided_by")
    archive.add_table(
        "lists.csv", (*columns, *LIST_FIGURES, *who), [_list_row(found) for found in lists]
    )
    # Of the report: the file of problems is erased after a while, its counts are not.
    problems = [
        (report.pk, *problem)
        for report in ListReport.objects.filter(pk__in=[found.pk for found in lists]).order_by("pk")
        for problem in sorted(report.problems)
    ]
    archive.add_table("list-problems.csv", ("list", "severity", "code", "cells"), problems)


def _list_row(found: AffectedList) -> list[object]:
    operators = " ".join(sorted(found.operators.values_list("code", flat=True)))
    return [
        found.pk,
        ListEffect(found.effect).value,
        found.corrects_id,
        found.state,
        found.population.code,
        operators,
        bytes(found.sha256 or b"").hex(),
        *(getattr(found, name) for name in LIST_FIGURES),
        moment(found.uploaded_at),
        actor_of(account_id=found.uploaded_by_id, token_id=found.uploaded_with_id),
        moment(found.decided_at),
        account(found.decided_by_id) if found.decided_by_id else "",
    ]


def write_approvals(archive: Archive, campaigns: list[Campaign]) -> None:
    """Write who submitted and approved what, by the hashes of what they saw."""
    approvals = Approval.objects.filter(campaign__in=campaigns).select_related(
        "campaign", "version"
    )
    archive.add_json(
        "approvals.json",
        [
            {
                "campaign": one.campaign_id,
                "campaign_sha256": bytes(one.campaign.sha256).hex(),
                "notice": one.version.notice_id,
                "notice_version": one.version.number,
                "notice_sha256": bytes(one.version.sha256).hex(),
                "plan": one.campaign.plan,
                "submitted_by": account(one.campaign.submitted_by_id),
                "submitted_at": moment(one.campaign.submitted_at),
                "approved_by": account(one.approved_by_id),
                "approved_at": moment(one.approved_at),
                "checked_points": one.checked_points,
                "shared_addresses_confirmed": one.campaign.shared_addresses_confirmed,
                "sender_override": one.campaign.sender_override,
            }
            for one in approvals.order_by("approved_at", "pk")
        ],
    )


def write_exemptions(archive: Archive, lists: list[AffectedList]) -> None:
    """Write who decided that people of a list need not be told one by one, and why."""
    archive.add_json(
        "exemptions.json",
        [
            {
                "exemption": one.pk,
                "list": one.affected_list_id,
                "ground": one.ground,
                "justification": one.justification,
                "sha256": bytes(one.sha256).hex(),
                "state": one.state,
                "submitted_by": account(one.submitted_by_id),
                "submitted_at": moment(one.submitted_at),
                "approved_by": account(one.approved_by_id) if one.approved_by_id else "",
                "approved_at": moment(one.approved_at),
                "return_comment": one.return_comment,
                "lift_reason": one.lift_reason,
                "lift_asked_by": account(one.lift_asked_by_id) if one.lift_asked_by_id else "",
                "lift_asked_at": moment(one.lift_asked_at),
                "lifted_by": account(one.lifted_by_id) if one.lifted_by_id else "",
                "lifted_at": moment(one.lifted_at),
            }
            for one in Exemption.objects.filter(affected_list__in=lists).order_by("pk")
        ],
    )


def write_purges(archive: Archive, lists: list[AffectedList]) -> None:
    """Write the proof of each erasure: what, how much, which key went, when, and who asked."""
    columns = ("list", "kind", "members", "contacts", "key_destroyed", "requested_by")
    times = ("requested_at", "key_destroyed_at", "finished_at")
    purges = ListPurge.objects.filter(list__in=lists).order_by("requested_at", "pk")
    archive.add_table("purges.csv", (*columns, *times), [_purge_row(one) for one in purges])


def write_erasures(archive: Archive, breach: Breach, insurer: Insurer) -> None:
    """Write the proof of what else went: files of problems, keys of the breach, single messages."""
    mine = Erasure.objects.filter(Q(insurer=insurer) | Q(insurer=None), breach=breach)
    archive.add_json(
        "erasures.json",
        [
            {
                "kind": one.kind,
                "list": one.affected_list_id,
                "campaign": one.campaign_id,
                "keys_destroyed": one.keys,
                "rows": one.counts,
                "begun_at": moment(one.begun_at),
                "finished_at": moment(one.finished_at),
            }
            for one in mine.order_by("begun_at", "pk")
        ],
    )


def _purge_row(one: ListPurge) -> list[object]:
    asked_by = actor_of(account_id=one.requested_by_id, token_id=None)
    times = (moment(one.requested_at), moment(one.key_destroyed_at), moment(one.finished_at))
    return [one.list_id, one.kind, one.members, one.contacts, one.key_name, asked_by, *times]


def write_statements(archive: Archive, part: Part) -> None:
    """Write every text that was public of the insurer's, whatever became of it."""
    for one in statements_ever_public(breach=part.breach, insurer=part.insurer):
        publication = one.publication
        archive.add_json(
            f"statements/publication-{publication.pk}.json",
            {
                "version": publication.version.number,
                "sha256": one.sha256,
                "state": publication.state,
                "submitted_by": account(publication.submitted_by_id),
                "approved_by": account(publication.decided_by_id),
                "published_at": moment(publication.decided_at),
                "ended_at": moment(publication.ended_at),
                "withdrawal_reason": publication.withdrawal_reason,
                "content": publication.version.content,
            },
        )


def write_actors(archive: Archive, actors: set[str]) -> None:
    """Write the names of the accounts and tokens that the other files give by number."""
    accounts = get_user_model().objects.filter(pk__in=_numbers(actors, "account"))
    tokens = ApiToken.objects.filter(pk__in=_numbers(actors, "token"))
    names = {account(person.pk): person.name for person in accounts}
    names |= {token(one.pk): one.name for one in tokens}
    archive.add_table("actors.csv", ("actor", "name"), sorted(names.items()))


def _numbers(actors: set[str], kind: str) -> list[int]:
    found = (actor.partition(":") for actor in actors)
    return [int(number) for name, _colon, number in found if name == kind and number.isdigit()]
