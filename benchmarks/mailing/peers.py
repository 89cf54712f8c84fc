"""Run one of the peers over N messages, and print the seconds it took.

`python -m benchmarks.mailing.peers django|tasks|post_office N`, called by benchmarks/dispatch.py.
`queue N` and `drain LOCK` are the halves of `post_office`, for whoever kills it in between.
"""

import sys
import tempfile
import time
from typing import TYPE_CHECKING

import django

from benchmarks.letter import SENDER, Letter, address, kept

if TYPE_CHECKING:
    from django.core.mail import EmailMultiAlternatives

PROCESSES = 2


def main() -> None:
    name, value = sys.argv[1:]
    django.setup()
    if name == "drain":
        drain(value)
    elif name == "queue":
        queue(int(value))
    else:
        peers = {"django": one_connection, "tasks": by_tasks, "post_office": by_post_office}
        print(peers[name](int(value)))


def message(letter: Letter, recipient: str) -> "EmailMultiAlternatives":
    """Make a message as Django's documentation does."""
    from django.core.mail import EmailMultiAlternatives

    made = EmailMultiAlternatives(letter.subject, letter.text, SENDER, [recipient])
    made.attach_alternative(letter.html, "text/html")
    return made


def one_connection(count: int) -> float:
    """Send over one connection, and keep no record of it at all."""
    from django.core.mail import get_connection

    letter, started = kept(), time.monotonic()
    with get_connection() as connection:
        for number in range(count):
            connection.send_messages([message(letter, address(number))])
    return time.monotonic() - started


def by_tasks(count: int) -> float:
    """Queue one task per message, and wait until the workers have noted them all."""
    from benchmarks.mailing.models import Mail
    from benchmarks.mailing.tasks import send

    mails = Mail._default_manager.bulk_create(Mail(address=address(n)) for n in range(count))
    with send.app.connection_for_write() as broker, broker.Producer() as producer:
        send.apply_async(kwargs={"mail_id": mails[0].pk}, producer=producer)
        while Mail._default_manager.filter(sent_at=None).count() == count:
            time.sleep(0.05)  # The workers are there now.
        started = time.monotonic()
        for mail in mails[1:]:
            send.apply_async(kwargs={"mail_id": mail.pk}, producer=producer)
    while Mail._default_manager.filter(sent_at=None).exists():
        time.sleep(0.05)
    return time.monotonic() - started


def by_post_office(count: int) -> float:
    """Drain a queue that is filled beforehand."""
    from post_office.models import STATUS, Email

    queue(count)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        drain(f"{folder}/lock")
    seconds = time.monotonic() - started
    assert Email.objects.filter(status=STATUS.sent).count() == count
    return seconds


def queue(count: int) -> None:
    """Give so many messages to django-post_office."""
    from post_office.models import PRIORITY, STATUS, Email

    letter = kept()
    Email.objects.bulk_create(
        (
            Email(
                from_email=SENDER,
                to=[address(number)],
                subject=letter.subject,
                message=letter.text,
                html_message=letter.html,
                status=STATUS.queued,
                priority=PRIORITY.medium,
            )
            for number in range(count)
        ),
        batch_size=1000,
    )


def drain(lock: str) -> None:
    """Have django-post_office send all that is queued, by so many processes."""
    from post_office.mail import send_queued_mail_until_done

    send_queued_mail_until_done(lock, processes=PROCESSES)


if __name__ == "__main__":
    main()
