"""What accepting a list would do: counted once by the worker, shown before the decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, F, Sum

from insurers.lists.comparison import Earlier, compare, earlier_lists, stays_listed
from insurers.lists.distinct_people import people_leaving, people_standing
from insurers.lists.memory import take_memory_to_join
from insurers.lists.problems import Explanation, Field, Problem, explain_problem
from insurers.lists.repeats import Shared
from insurers.models import AffectedList, Declaration, ListEffect, ListReport, Severity
from insurers.signals import leaving_foreseen

FAR = 0.10  # share by which the people listed may differ from those declared without a warning

# What a row of `met` says of its person: 1 listed with this address where people stay, 2 on a list
# of the same operators, 4 there with this address, 8 on another list.
_SAYS = """
CASE WHEN earlier_list = ANY (%(stays)s) AND NOT has_news THEN 1 ELSE 0 END
| CASE WHEN NOT earlier_list = ANY (%(same)s) THEN 8 WHEN has_news THEN 2 ELSE 6 END
"""
# A person met on several lists counts by the best of them: listed with this address, else changed.
_PEOPLE = f"SELECT bit_or({_SAYS}) AS what FROM met WHERE ended = '' GROUP BY ordinal"
# Nobody is met twice on one list, but by a row without a name.
_PEOPLE_MET_ONCE = f"SELECT {_SAYS} AS what FROM met WHERE ended = ''"
_NAMELESS = "SELECT count(*) FROM (SELECT FROM met WHERE name_tag <> earlier_tag LIMIT 1) AS pair"

_MET = """
SELECT count(*) FILTER (WHERE what & 1 > 0), count(*) FILTER (WHERE what & 2 > 0),
    count(*) FILTER (WHERE what & 6 = 2), count(*) FILTER (WHERE what & 8 > 0), count(*)
FROM ({people}) AS person
"""

_FOUND = """
SELECT count(*) FROM (
    SELECT DISTINCT earlier_list, earlier_ordinal FROM met
    WHERE ended = '' AND earlier_list = ANY (%(same)s)
) AS person
"""


@dataclass(frozen=True)
class Met:
    """People of a list who are on earlier ones, and people of those who are not on it."""

    stays: int = 0
    same: int = 0
    changed: int = 0
    others: int = 0
    anywhere: int = 0
    gone: int = 0
    leaving: int = 0


def write_report(*, list_id: int, counts: Mapping[str, int], shared: Shared) -> ListReport:
    """Count what a list that was read would do, and keep it (worker, in a transaction).

    The list's own table is merged and indexed, its blocks are not yet forgotten; `counts` are
    named like the fields of the list.
    """
    affected_list = AffectedList.objects.get(pk=list_id)
    with connection.cursor() as cursor:
        take_memory_to_join(cursor)
    earlier = earlier_lists(affected_list)
    compare(affected_list, earlier)
    met = _count_met(earlier) if earlier.every else Met()
    members, with_email, with_phone = (
        counts[name] for name in ("members", "members_with_email", "members_with_phone")
    )
    with_any = members - counts["members_without_contact"]
    report = ListReport(
        affected_list_id=list_id,
        previous_id=max(earlier.same, default=None),
        new=members - met.same,
        gone=met.gone,
        changed=met.changed,
        already_listed=met.stays,
        on_other_operators=met.others,
        unmatched=members - met.anywhere,
        leaving=met.leaving,
        shared_addresses=shared.addresses,
        shared_people=shared.people,
        only_email=with_any - with_phone,
        only_phone=with_any - with_email,
        email_and_phone=with_email + with_phone - with_any,
        problems=_problems(affected_list),
        **_relationships(affected_list),
    )
    leaving_foreseen.send(sender=ListReport, report=report)
    report.listed_after = _listed_after(affected_list, report, earlier)
    ListReport.objects.filter(pk=list_id).delete()
    report.save(force_insert=True)
    return report


def _count_met(earlier: Earlier) -> Met:
    lists = {"stays": stays_listed(earlier), "same": earlier.same}
    once = len(earlier.every) == 1 and _row(_NAMELESS) == (0,)
    people = _PEOPLE_MET_ONCE if once else _PEOPLE
    stays, same, changed, others, anywhere = _row(_MET.format(people=people), **lists)
    # On several lists a person is met several times; on one, a row without a name may be two.
    several = len(earlier.same) > 1
    found = same if once or several else _row(_FOUND, same=earlier.same)[0]
    return Met(
        stays=stays,
        same=same,
        changed=changed,
        others=others,
        anywhere=anywhere,
        gone=max(people_standing(earlier.same) - found, 0),
        leaving=people_leaving(whole=earlier.whole),
    )


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
    is_nobody: bool
    lines: int


def reasons(report: ListReport) -> list[Reason]:
    """Return the problems in words, rejections first, each the most frequent first."""
    found = [
        Reason(explain_problem(code), severity == Severity.REJECTED, code == Problem.TOTAL, lines)
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
