"""Short cuts through the story of a campaign: a complete notice, an accepted list."""

from dataclasses import replace

from notifications.notices import NoticeContent


def complete(content: NoticeContent) -> NoticeContent:
    """Add the words that only the insurer can write."""
    texts = replace(
        content.fr,
        consequences="Quelqu’un peut se faire passer pour votre mutuelle en citant ces données.",
        measures="L’opérateur a fermé les comptes détournés ; nous avons prévenu la CNIL.",
        advice="Méfiez-vous des appels et des messages qui citent vos remboursements de santé.",
    )
    return replace(
        content,
        fr=texts,
        en=replace(texts, subject="", nature="", consequences="", measures="", advice=""),
        unreachable_plan="Les personnes sans contact recevront une lettre avant la fin du mois.",
    )
