"""SMS into a folder of files, in place of a provider: the demo's and the tests' channel."""

import json
import os
from collections.abc import Iterable, Iterator

from django.conf import settings

from notifications.channels.base import ChannelDownError, Outcome, Outgoing
from notifications.models import State


class FolderSmsChannel:
    """Appends each message as a line of JSON to a file that only its owner reads."""

    gives_way = False

    def send(self, messages: Iterable[Outgoing]) -> Iterator[Outcome]:
        folder = settings.SMS_OUTBOX_DIR
        if folder is None:
            raise ChannelDownError("no SMS provider is set up")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(folder / "outbox.jsonl", flags, 0o600)
        try:
            for outgoing in messages:
                line = json.dumps({"to": outgoing.address, "text": outgoing.message.text})
                os.write(descriptor, line.encode() + b"\n")
                yield Outcome(outgoing.notification_id, State.ACCEPTED, "file")
        finally:
            os.close(descriptor)
