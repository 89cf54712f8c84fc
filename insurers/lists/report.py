"""What accepting a list would do: counted once by the worker, shown before the decision."""

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, F, Sum

from insurers.lists.comparison import Earlier, compare, stays_listed
from insurers.lists.problems import Explanation, Field, explain_problem
from insurers.lists.tables import table_name
from insurers.models import AffectedList, Declaration, ListEffect, ListReport, Severity
from insurers.signals import leaving_foreseen

FAR = 0.10  # share by which the people listed may differ from those declared without a warning

# A person met on several lists counts by the best of them: listed with this address, else changed.
_MET = """
SELECT count(*) FILTER (WHERE stays), count(*) FILTER (WHERE is_same),
    count(*) FILTER (WHERE is_same AND has_news), count(*) FILTER (WHERE is_other), count(*)
FROM (
    SELECT ordinal,
        bool_or(NOT has_news AND earlier_list = ANY (%(stays)s)) AS stays,
        bool_or(earlier_list = ANY (%(same)s)) AS is_same,
        bool_and(has_news OR NOT earlier_list = ANY (%(same)s)) AS has_news,
        bool_or(NOT earlier_list = ANY (%(same)s)) AS is_other
    FROM met WHERE ended = '' GROUP BY ordinal
) AS person
"""

_GONE = """
SELECT count(*) FROM members.affected_member AS member
LEFT JOIN members.listing_mark AS mark USING (list_id, ordinal)
WHERE member.list_id = ANY (%(same)s) AND coalesce(mark.ended, '') = '' AND NOT EXISTS (
    SELECT FROM met WHERE met.earlier_list = member.list_id AND met.earlier_ordinal = member.ordinal
)
"""

_LEAVING = "SELECT count(*) FILTER (WHERE reason <> 'corrected') FROM leaving"

_ADDRESSES = """
SELECT count(*) FILTER (WHERE people > 1),
    coalesce(sum(people) FILTER (WHERE people > 1), 0), coalesce(sum(only_email), 0),
    coalesce(sum(only_phone), 0), coalesce(sum(people), 0) - coalesce(sum(only_email), 0)
        - coalesce(sum(only_phone), 0)
FROM (
    SELECT count(*) AS people, count(*) FILTER (WHERE phone_fingerprint IS NULL) AS only_email,
        count(*) FILTER (WHERE email_fingerprint IS NULL) AS only_phone
    FROM {table} WHERE coalesce(email_fingerprint, phone_fingerprint) IS NOT NULL
    GROUP BY coalesce(email_fingerprint, phone_fingerprint)
) AS address
"""


def write_report(*, list_id: int) -> ListReport:
    """Count what a list that was read would do, and keep it (worker, in a transaction).

    The list's own table is merged and indexed, its blocks are not yet forgotten.
    """
    affected_list = AffectedList.objects.get(pk=list_id)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64MB'")
    earlier = compare(affected_list)
    stays, same_people, changed, others, met = _row(
        _MET, stays=stays_listed(affected_list, earlier), same=earlier.same
    )
    shared, shared_people, only_email, only_phone, both = _row(
        _ADDRESSES.format(table=table_name(list_id))
    )
    (members,) = _row(f"SELECT count(*) FROM {table_name(list_id)}")
    report = ListReport(
        affected_list_id=list_id,
        previous_id=max(earlier.same, default=None),
        new=members - same_people,
        gone=_row(_GONE, same=earlier.same)[0],
        changed=changed,
        already_listed=stays,
        on_other_operators=others,
        unmatched=members - met,
        leaving=_row(_LEAVING)[0],
        shared_addresses=shared,
        shared_people=shared_people,
        only_email=only_email,
        only_phone=only_phone,
        email_and_phone=both,
        problems=_problems(affected_list),
        **_relationships(affected_list),
    )
    leaving_foreseen.send(sender=ListReport, report=report)
    report.listed_after = _listed_after(affected_list, report, earlier)
    ListReport.objects.filter(pk=list_id).delete()
    report.save(force_insert=True)
    return report


def _listed_after(affected_list: AffectedList, report: ListReport, earlier: Earlier) -> int:
    """Return how many people of the breach the insurer would have listed, near enough to warn."""
    lists = AffectedList.objects.filter(pk__in=earlier.every)
    listed = lists.aggregate(total=Sum(F("members") - F("members_uncounted")))["total"] or 0
    if affected_list.effect == ListEffect.WITHDRAW:
        return max(listed - report.leaving + report.leaving_told, 0)
    if affected_list.effect == ListEffect.REPLACE:
        listed = max(listed - report.gone + report.leaving_told, 0)
    return int(listed + report.unmatched)


def _relationships(affected_list: AffectedList) -> dict[str, int]:
    """Return the rows of members and of dependants; nothing where no column tells."""
    if Field.RELATIONSHIP not in (affected_list.text or {}).get("columns", {}):
        return {}
    return affected_list.blocks.aggregate(
        policyholders=Sum("policyholders"), dependants=Sum("dependants")
    )


def _problems(affected_list: AffectedList) -> list[list[Any]]:
    found = affected_list.problems.values_list("severity", "code").annotate(lines=Count("pk"))
    return [[severity, code, lines] for severity, code, lines in found.order_by("-lines", "code")]


def _row(statement: str, **values: Any) -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return tuple(int(value or 0) for value in cursor.fetchone() or ())


@dataclass(frozen=True)
class Reason:
    """A problem of a file and on how many lines it was found."""

    said: Explanation
    is_rejection: bool
    lines: int


def reasons(report: ListReport) -> list[Reason]:
    """Return the problems in words, rejections first, each the most frequent first."""
    found = [
        Reason(explain_problem(code), severity == Severity.REJECTED, lines)
        for severity, code, lines in report.problems
    ]
    return sorted(found, key=lambda reason: not reason.is_rejection)


def rows_of_neither(report: ListReport) -> int | None:
    """Return the usable rows that say neither member nor dependant; None without such a column."""
    if report.policyholders is None or report.dependants is None:
        return None
    usable = report.affected_list.rows - report.affected_list.rows_rejected
    return usable - report.policyholders - report.dependants


def declared_people(report: ListReport) -> int | None:
    """Return what the insurer declared where the list takes it far from there, else None."""
    affected_list = report.affected_list
    expected = (
        Declaration.objects.filter(breach=affected_list.breach_id, insurer=affected_list.insurer_id)
        .values_list("expected_people", flat=True)
        .first()
    )
    if expected is None or abs(report.listed_after - expected) <= FAR * expected:
        return None
    return expected
