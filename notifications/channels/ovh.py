"""SMS through OVHcloud's own API, by its documentation: no SDK (docs/decisions/0013-ovhcloud.md).

`POST /sms/{serviceName}/jobs` for each message, `GET /sms/{serviceName}/outgoing` for what became
of it; every request is signed (https://help.ovhcloud.com, « Premiers pas avec les API OVHcloud »).
"""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Self

import httpx

from notifications.channels.base import (
    ChannelDownError,
    Outcome,
    Outgoing,
    SenderRefusedError,
    still_to_be_sent,
)
from notifications.channels.connecting import ForbiddenAddressError, places_of
from notifications.channels.segments import Coding, segment
from notifications.channels.sms_account import KeepIds, SmsAccount
from notifications.channels.sms_receipts import SmsReceipt
from notifications.models import State

TIMEOUT = httpx.Timeout(30, connect=10)
BACKING_OFF = (0.5, 1.0, 2.0)  # seconds between attempts that were refused for their number
VALIDITY_MINUTES = 2 * 24 * 60
NO_ANSWER = "ovh-no-answer"
# The requests that a provider may have taken although its answer is none: any but these.
NOT_TAKEN = frozenset({429, 503})
# `deliveryReceipt` of an outgoing message; 0, 4 and 8 say that nothing is final.
DELIVERED, UNDELIVERED, REJECTED = 1, 2, 16


class OvhApi:
    """Signed requests on one connection that is kept open."""

    def __init__(self, account: SmsAccount) -> None:
        self._account = account
        scheme, usual = ("https", 443) if account.uses_tls else ("http", 80)
        port = "" if account.port in (0, usual) else f":{account.port}"
        self._base = f"{scheme}://{account.host}{port}/1.0"
        self._client = httpx.Client(timeout=TIMEOUT)
        self._drift = 0

    def __enter__(self) -> Self:
        try:
            places_of(self._account.host, self._account.port or 443)
            their_time = int(self._client.get(f"{self._base}/auth/time").text)
        except ForbiddenAddressError as error:
            raise SenderRefusedError from error
        except (OSError, httpx.HTTPError, ValueError) as error:
            raise ChannelDownError("the provider cannot be reached") from error
        self._drift = their_time - int(time.time())
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Call `/sms/{serviceName}` + path, signed. Raises httpx.HTTPError."""
        url = f"{self._base}/sms/{self._account.service}{path}"
        text = json.dumps(body, ensure_ascii=False) if body is not None else ""
        now = str(int(time.time()) + self._drift)
        signed = (self._account.password, self._account.consumer_key, method, url, text, now)
        digest = hashlib.sha1("+".join(signed).encode(), usedforsecurity=False).hexdigest()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-Ovh-Application": self._account.username,
            "X-Ovh-Consumer": self._account.consumer_key,
            "X-Ovh-Timestamp": now,
            "X-Ovh-Signature": f"$1${digest}",
        }
        return self._client.request(method, url, content=text.encode(), headers=headers)


class OvhChannel:
    """Sends a batch over one connection, one request at a time."""

    gives_way = False

    def __init__(self, account: SmsAccount, *, keep_ids: KeepIds) -> None:
        self._account = account
        self._keep_ids = keep_ids
        self._messages: Iterable[Outgoing] = ()

    def send(self, messages: Iterable[Outgoing]) -> Iterator[Outcome]:
        """Yield an outcome a message; a request without an answer leaves it in doubt."""
        self._messages = messages
        with OvhApi(self._account) as api:
            for outgoing in messages:
                outcome, ending = self._send_one(api, outgoing)
                yield outcome
                if ending is not None:
                    raise ending

    def _send_one(self, api: OvhApi, outgoing: Outgoing) -> tuple[Outcome, Exception | None]:
        number = outgoing.notification_id
        response: httpx.Response | None = None
        try:
            response = self._post(api, _job(outgoing))
        except httpx.ConnectError as error:
            raise ChannelDownError("the provider cannot be reached") from error
        except httpx.HTTPError:
            pass
        if response is not None and response.status_code < 500 and not response.is_success:
            return self._refused(number, response.status_code)
        if response is not None and response.status_code in NOT_TAKEN:
            return self._refused(number, response.status_code)
        ids = _taken(response) if response is not None and response.is_success else None
        if ids == []:
            return Outcome(number, State.BOUNCED, "ovh-invalid-receiver"), None
        reason = "ovh-200" if ids else "ovh-found"
        if ids := ids or self._look_for(api, outgoing):
            self._keep_ids(number, ids)
            return Outcome(number, State.ACCEPTED, reason), None
        return (
            Outcome(number, State.UNCERTAIN, NO_ANSWER),
            ChannelDownError("the provider does not answer as documented"),
        )

    def _post(self, api: OvhApi, job: dict[str, Any]) -> httpx.Response:
        for pause in (*BACKING_OFF, None):
            response = api.call("POST", "/jobs", job)
            if response.status_code != 429 or pause is None:
                break
            time.sleep(pause)
            if not still_to_be_sent(self._messages):
                break
        return response

    def _refused(self, number: int, code: int) -> tuple[Outcome, Exception | None]:
        """Nothing was taken: what is refused is the rate, or how we ask, never the address."""
        outcome = Outcome(number, State.DEFERRED, f"ovh-{code}")
        if code in NOT_TAKEN:
            return outcome, ChannelDownError("the provider asks to slow down")
        return outcome, SenderRefusedError()

    def _look_for(self, api: OvhApi, outgoing: Outgoing) -> list[str]:
        """Return the ids of a message that was taken although its answer was lost."""
        try:
            response = api.call("GET", f"/outgoing?tag={_tag(outgoing)}")
            return [str(int(found)) for found in response.raise_for_status().json()]
        except (httpx.HTTPError, ValueError, TypeError):
            return []


def ovh_receipts(account: SmsAccount, *, since: datetime) -> Iterator[SmsReceipt]:
    """Yield the final receipts of messages sent since then. Raises as `OvhChannel.send`."""
    with OvhApi(account) as api:
        for code, state in (
            (DELIVERED, State.DELIVERED),
            (UNDELIVERED, State.FAILED),
            (REJECTED, State.FAILED),
        ):
            query = httpx.QueryParams(
                {"creationDatetime.from": since.isoformat(), "deliveryReceipt": code}
            )
            try:
                found = api.call("GET", f"/outgoing?{query}").raise_for_status().json()
                for identifier in found:
                    yield SmsReceipt(str(int(identifier)), state, f"ovh-receipt-{code}")
            except (httpx.HTTPError, ValueError, TypeError) as error:
                raise ChannelDownError("the receipts cannot be read") from error


def _job(outgoing: Outgoing) -> dict[str, Any]:
    is_gsm = segment(outgoing.message.text).coding == Coding.GSM7
    return {
        "charset": "UTF-8",
        "class": "phoneDisplay",
        "coding": "7bit" if is_gsm else "8bit",
        "message": outgoing.message.text,
        "noStopClause": True,  # Not marketing: no STOP, and no waiting for the morning.
        "priority": "high",
        "receivers": [outgoing.address],
        "sender": outgoing.sender_name,
        "senderForResponse": False,
        "tag": _tag(outgoing),
        "validityPeriod": VALIDITY_MINUTES,
    }


def _tag(outgoing: Outgoing) -> str:
    """Return what names a message at the provider: 20 characters of its Message-ID's digest."""
    return hashlib.sha256(outgoing.message_id.encode()).hexdigest()[:20]


def _taken(response: httpx.Response) -> list[str] | None:
    """Read a report (`sms.SmsSendingReport`): the ids taken, none for a number that was not.

    None where it is no such report.
    """
    try:
        report = response.json()
        if report["invalidReceivers"]:
            return []
        return [str(int(identifier)) for identifier in report["ids"]] or None
    except (ValueError, TypeError, KeyError):
        return None
