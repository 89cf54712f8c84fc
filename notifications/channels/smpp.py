"""SMS over SMPP 3.4 (SMPP Developers Forum, issue 1.2), to any provider that speaks it."""

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from smpplib import consts

from notifications.channels.base import (
    ChannelDownError,
    Outcome,
    Outgoing,
    SenderRefusedError,
    still_to_be_sent,
)
from notifications.channels.segments import Coding, encode, segment
from notifications.channels.smpp_link import ANSWER_SECONDS, Link, LinkLostError
from notifications.channels.sms_account import KeepIds, SmsAccount
from notifications.models import State

# What each status says of the message (SMPP 3.4, 5.1.3). Any other is tried again later.
ACCEPTED = consts.SMPP_ESME_ROK
OF_THE_NUMBER = frozenset(
    {
        consts.SMPP_ESME_RINVDSTADR,
        consts.SMPP_ESME_RINVDSTTON,
        consts.SMPP_ESME_RINVDSTNPI,
        consts.SMPP_ESME_RINVNUMDESTS,
    }
)
OF_THE_MESSAGE = frozenset(
    {
        consts.SMPP_ESME_RINVMSGLEN,
        consts.SMPP_ESME_RINVCMDLEN,
        consts.SMPP_ESME_RINVCMDID,
        consts.SMPP_ESME_RINVESMCLASS,
        consts.SMPP_ESME_RINVOPTPARSTREAM,
        consts.SMPP_ESME_RX_P_APPN,
        consts.SMPP_ESME_RX_R_APPN,
        0x00000104,  # ESME_RINVDCS, of SMPP 5.0
        0x00000401,  # ESME_RUNSDATACODING of OVHcloud
        0x00000402,  # ESME_RINVGSM7CODING of OVHcloud
    }
)
OF_US = frozenset(
    {
        consts.SMPP_ESME_RINVBNDSTS,
        consts.SMPP_ESME_RINVSRCADR,
        consts.SMPP_ESME_RINVSRCTON,
        consts.SMPP_ESME_RINVSRCNPI,
        consts.SMPP_ESME_RINVPASWD,
        consts.SMPP_ESME_RINVSYSID,
        consts.SMPP_ESME_RINVSERTYP,
        consts.SMPP_ESME_RINVSYSTYP,
    }
)
TOO_FAST = frozenset({consts.SMPP_ESME_RTHROTTLED, consts.SMPP_ESME_RMSGQFUL})

NUMBER = re.compile(r"\+?[1-9]\d{5,14}")  # E.164
NO_ANSWER = "smpp-no-answer"
BACKING_OFF = (0.2, 0.5, 1.0)  # seconds; then the rest of the batch waits for its turn
ALPHANUMERIC, INTERNATIONAL, ISDN = 5, 1, 1
UDH_FOLLOWS = 0x40
CODINGS = {Coding.GSM7: 0, Coding.UCS2: 8}


@dataclass
class Submission:
    """A message on its way, as one `submit_sm` a part, and what was answered to each."""

    outgoing: Outgoing
    parts: list[dict[str, Any]]
    sequences: dict[int, int] = field(default_factory=dict)  # of a submit: its part
    provider_ids: dict[int, str] = field(default_factory=dict)
    status: int = ACCEPTED
    throttled: int = 0
    submitted_at: float = 0.0

    @property
    def is_answered(self) -> bool:
        """Whether nothing is awaited of the provider."""
        return not self.sequences

    def outcome(self) -> Outcome:
        """Say what the answers mean."""
        state, reason = _meaning(self.status)
        if not self.is_answered:
            state, reason = State.UNCERTAIN, NO_ANSWER
        return Outcome(self.outgoing.notification_id, state, reason)


def _meaning(status: int) -> tuple[State, str]:
    code = f"smpp-{status:04x}"
    if status == ACCEPTED:
        return State.ACCEPTED, code
    if status in OF_THE_NUMBER:
        return State.BOUNCED, code
    return (State.FAILED if status in OF_THE_MESSAGE else State.DEFERRED), code


class SmppChannel:
    """Sends a batch over one connection, `account.window` messages without an answer at most."""

    gives_way = False

    def __init__(self, account: SmsAccount, *, keep_ids: KeepIds) -> None:
        self._account = account
        self._keep_ids = keep_ids
        self._waiting: deque[Submission] = deque()
        self._link: Link | None = None
        self._messages: Iterable[Outgoing] = ()

    def send(self, messages: Iterable[Outgoing]) -> Iterator[Outcome]:
        """Yield outcomes in the order of the messages, whatever the order of the answers."""
        self._waiting.clear()
        self._messages = messages
        try:
            self._connect()
            yield from self._send(iter(messages))
        finally:
            if self._link is not None:
                self._link.close()

    def _connect(self) -> Link:
        if self._link is not None:
            self._link.close()
        self._link = None
        self._link = Link(self._account, "transmitter")
        return self._link

    def _connect_again(self) -> None:
        """Connect with a message in hand, which may take long."""
        self._connect()
        if not still_to_be_sent(self._messages):
            raise ChannelDownError("stopped meanwhile")

    def _send(self, messages: Iterator[Outgoing]) -> Iterator[Outcome]:
        ending: Exception | None = None
        is_over = False
        while True:
            # A message is asked for when it can leave: not before, so that a pause finds it.
            while not is_over and ending is None and self._has_room:
                outgoing = next(messages, None)
                is_over = outgoing is None
                if outgoing is not None:
                    ending = self._submit(outgoing)
            if not self._waiting:
                break
            first = self._waiting[0]
            self._await(first)
            self._waiting.popleft()
            if ids := [first.provider_ids[part] for part in sorted(first.provider_ids)]:
                self._keep_ids(first.outgoing.notification_id, ids)
            yield first.outcome()
            ending = ending or self._ending(first)
        if ending is not None:
            raise ending

    @property
    def _is_connected(self) -> bool:
        return self._link is not None and self._link.is_open

    @property
    def _has_room(self) -> bool:
        """Whether a message may leave: the provider may have asked to unbind (every 24 hours)."""
        leaving = self._link is not None and self._link.is_leaving
        return len(self._waiting) < (1 if leaving else self._account.window)

    def _submit(self, outgoing: Outgoing) -> Exception | None:
        """Hand a message over, or return why nothing more can be.

        A connection that is found closed while nothing is on its way is opened again, once.
        """
        submission = Submission(outgoing, _parts(outgoing, self._account))
        if not NUMBER.fullmatch(outgoing.address):
            submission.status = consts.SMPP_ESME_RINVDSTADR
            self._waiting.append(submission)
            return None
        try:
            self._read(0)  # What ended the connection meanwhile, if anything.
            if self._link is not None and self._link.is_leaving and not self._waiting:
                self._connect_again()
            self._hand_over(submission, range(len(submission.parts)))
        except LinkLostError:
            if submission.is_answered and self._waiting:
                return ChannelDownError("disconnected")
            if submission.is_answered:
                self._connect_again()
                try:
                    self._hand_over(submission, range(len(submission.parts)))
                except LinkLostError:
                    if submission.is_answered:
                        return ChannelDownError("disconnected")
        self._waiting.append(submission)
        return None

    def _hand_over(self, submission: Submission, numbers: Iterable[int]) -> None:
        submission.submitted_at = time.monotonic()
        for number in numbers:
            assert self._link is not None
            sequence = self._link.send("submit_sm", **submission.parts[number])
            submission.sequences[sequence] = number

    def _await(self, submission: Submission) -> None:
        """Read answers until this message has all of its own, or it is too late."""
        while not submission.is_answered and self._is_connected:
            late_at = submission.submitted_at + ANSWER_SECONDS
            try:
                self._read(late_at - time.monotonic())
            except LinkLostError:
                return
            if time.monotonic() > late_at and not submission.is_answered:
                assert self._link is not None
                self._link.is_open = False  # Whoever does not answer is not spoken to.

    def _read(self, seconds: float) -> None:
        """Take one PDU of the provider's in."""
        assert self._link is not None
        pdu = self._link.receive(seconds)
        if pdu is None:
            return
        if pdu.command == "deliver_sm":  # Not to a transmitter: it comes again to the receiver.
            self._link.answer(pdu, "deliver_sm_resp", consts.SMPP_ESME_RX_T_APPN)
            return
        for submission in self._waiting:
            if pdu.sequence in submission.sequences:
                self._take_answer(submission, pdu)
                return

    def _take_answer(self, submission: Submission, pdu: Any) -> None:
        number = submission.sequences.pop(pdu.sequence)
        if pdu.status == ACCEPTED:
            if message_id := getattr(pdu, "message_id", None):
                submission.provider_ids[number] = message_id.decode("ascii", "replace")
        elif pdu.status in TOO_FAST and submission.throttled < len(BACKING_OFF):
            time.sleep(BACKING_OFF[submission.throttled])
            submission.throttled += 1
            before, submission.status = submission.status, pdu.status
            if still_to_be_sent(self._messages):
                self._hand_over(submission, [number])
                submission.status = before
        else:
            submission.status = pdu.status

    def _ending(self, submission: Submission) -> Exception | None:
        """Return what ends the batch after this message, once all that left is accounted for."""
        if submission.status in OF_US:
            return SenderRefusedError()
        if submission.status in TOO_FAST:
            return ChannelDownError("the provider asks to slow down")
        return None if self._is_connected else ChannelDownError("disconnected")


def _parts(outgoing: Outgoing, account: SmsAccount) -> list[dict[str, Any]]:
    """Return the fields of each `submit_sm`: joined by a header (3GPP TS 23.040, 9.2.3.24.1)."""
    found = segment(outgoing.message.text)
    shared = {
        "source_addr_ton": ALPHANUMERIC,
        "source_addr_npi": 0,
        "source_addr": outgoing.sender_name,
        "dest_addr_ton": INTERNATIONAL,
        "dest_addr_npi": ISDN,
        "destination_addr": outgoing.address.removeprefix("+"),
        "registered_delivery": consts.SMPP_SMSC_DELIVERY_RECEIPT_BOTH,
        "data_coding": CODINGS[found.coding],
    }
    if len(found.parts) == 1:
        return [shared | {"short_message": encode(found.parts[0], found.coding)}]
    if account.uses_payload:
        return [shared | {"message_payload": encode(outgoing.message.text, found.coding)}]
    header = bytes([5, 0, 3, outgoing.notification_id & 0xFF, len(found.parts)])
    return [
        shared | {"esm_class": UDH_FOLLOWS, "short_message": header + bytes([number]) + part}
        for number, part in enumerate(found.encoded(), start=1)
    ]
