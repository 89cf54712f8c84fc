"""Who a row is about: the member, or somebody covered through one (ayant droit).

Insurers write it in many words (« Assuré », « OD », « Conjoint », « Enfant 2 »); a worker counts
them, and nothing of a person's own is kept.
"""

import re

from insurers.lists.identifiers import BadValueError, plain
from insurers.lists.problems import Problem

MEMBER = "member"
DEPENDANT = "dependant"

_WORD = re.compile(r"[a-z]+")


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_PASSED_OVER = _words("a au avec c d de des du e es l la le les of s the un une")

# The first kind that a word of the cell belongs to decides: « conjoint de l’assuré principal »
# is a dependant, « bénéficiaire principal » is not.
_RELATIVES = _words(
    """
    ascendant ascendante ascendants asc ayant ayants ayantdroit ayantsdroit cjt collateral compagne
    compagnon concubin concubine conj conjoint conjointe descendant descendante descendants enf
    enfant enfants epouse epoux femme fille fils mari mere pacs pacse pacsee partenaire pere
    petit petite child children daughter dependant dependants dependent dependents father husband
    kid mother parent parents partner son spouse stepchild wife
    """
)
_HEADS = _words("chef main primary principal principale")
_COVERED = _words("beneficiaire beneficiaires benef beneficiary famille family")
_MEMBERS = _words(
    """
    adh adherent adherente affilie affiliee ass assure assuree employee holder insured member
    membre mutualiste od ouvrant ouvrante ouvreur participant participante policyholder salarie
    salariee self societaire souscripteur souscriptrice subscriber titulaire
    """
)
# What goes with them and decides nothing.
_BESIDE = _words(
    """
    adulte autre autres charge cover droit droits etudiant etudiante majeur mineur order policy
    social sociale
    """
)
# « Qualité » also heads a column of civilities, which say nothing here.
_CIVILITIES = _words("m mr mme mlle monsieur madame mademoiselle mrs ms miss")
_KINDS = (
    (_RELATIVES, DEPENDANT),
    (_HEADS, MEMBER),
    (_COVERED, DEPENDANT),
    (_MEMBERS, MEMBER),
    (_CIVILITIES, ""),
)
_KNOWN = _BESIDE.union(*(words for words, _kind in _KINDS))


def relationship(text: str) -> str:
    """Return `member` or `dependant`, or "" where nothing is said.

    Numbers are passed over (« Enfant 2 »). Raises BadValueError where a word is unknown: half
    a meaning may be another's.
    """
    if not text.strip():
        return ""
    words = [word for word in _WORD.findall(plain(text)) if word not in _PASSED_OVER]
    if words and _KNOWN.issuperset(words):
        for kind, meaning in _KINDS:
            if not kind.isdisjoint(words):
                return meaning
    raise BadValueError(Problem.RELATIONSHIP)
