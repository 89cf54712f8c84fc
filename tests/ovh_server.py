"""A server that speaks as OVHcloud's SMS API does, in a process of its own.

`python -m tests.ovh_server FOLDER` prints its port. FOLDER/behaviour.json, read before each
request, says (every job with its time, taken or not, is a line of FOLDER/asked.jsonl):

status      the code of the answer to a job, by number or "*"; nothing is taken
invalid     the numbers that are reported as such
throttle    how many jobs are answered 429 before one is taken
delay       seconds before each answer to a job
hold        no answer to a job while it says so; what it will be is settled before
lose        the answer to a job that was taken: "drop", "garbage", "empty", "500" or "timeout"
forget      a job that was taken is not found by its tag
receipts    `deliveryReceipt` by number
"""

import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
SECRETS = ("application-secret", "consumer-key")
TAKEN: list[dict[str, Any]] = []
THROTTLED: list[float] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    is_held = False

    def do_GET(self) -> None:
        if self.path == "/1.0/auth/time":
            self.answer(200, int(time.time()))
        elif self.is_signed(""):
            query = parse_qs(urlsplit(self.path).query)
            self.answer(200, [line["id"] for line in TAKEN if self.matches(line, query)])

    def matches(self, line: dict[str, Any], query: dict[str, list[str]]) -> bool:
        if tag := query.get("tag"):
            return bool(line["tag"] == tag[0] and not behaviour().get("forget"))
        receipt = behaviour().get("receipts", {}).get(line["to"], 0)
        return bool(int(query["deliveryReceipt"][0]) == receipt)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if not self.is_signed(body):
            return
        job = json.loads(body)
        (number,) = job["receivers"]
        note("asked", {"to": number, "at": time.time()})
        time.sleep(behaviour().get("delay", 0))
        wanted = behaviour()
        self.is_held = bool(wanted.get("hold"))
        statuses = wanted.get("status", {})
        if code := statuses.get(number, statuses.get("*")):
            self.answer(code, {"class": "Client::BadRequest", "message": f"no {number}"})
        elif len(THROTTLED) < wanted.get("throttle", 0):
            THROTTLED.append(time.time())
            self.answer(429, {"message": "slow down"})
        elif not number.startswith("+33") or number in wanted.get("invalid", ()):
            self.report(validReceivers=[], invalidReceivers=[number], ids=[])
        else:
            self.take(job, number)
            self.report_or_lose(wanted.get("lose"), number)

    def take(self, job: dict[str, Any], number: str) -> None:
        line = job | {"to": number, "id": 5000 + len(TAKEN)}
        TAKEN.append(line)
        note("taken", line)

    def report_or_lose(self, fault: str | None, number: str) -> None:
        if fault == "drop":
            self.keep_waiting()
            self.close_connection = True
        elif fault == "garbage":
            self.raw(200, b"<html>\xff\x00 Bad Gateway")
        elif fault == "empty":
            self.answer(200, {})
        elif fault == "500":
            self.answer(500, {"message": "oops"})
        elif fault == "timeout":
            time.sleep(5)
        else:
            self.report(validReceivers=[number], invalidReceivers=[], ids=[TAKEN[-1]["id"]])

    def report(self, **lists: Any) -> None:
        self.answer(200, {"totalCreditsRemoved": 1, **lists})

    def is_signed(self, body: str) -> bool:
        stamp = self.headers["X-Ovh-Timestamp"]
        url = f"http://{self.headers['Host']}{self.path}"
        signed = "+".join((*SECRETS, self.command, url, body, stamp))
        expected = "$1$" + hashlib.sha1(signed.encode()).hexdigest()  # noqa: S324 (theirs)
        known = self.headers["X-Ovh-Application"] == "application-key"
        if known and self.headers["X-Ovh-Signature"] == expected:
            return True
        self.answer(403, {"errorCode": "INVALID_SIGNATURE", "message": "Invalid signature"})
        return False

    def answer(self, code: int, content: Any) -> None:
        self.raw(code, json.dumps(content).encode())

    def keep_waiting(self) -> None:
        while self.is_held and behaviour().get("hold"):
            time.sleep(0.02)

    def raw(self, code: int, content: bytes) -> None:
        self.keep_waiting()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


def note(kind: str, line: dict[str, Any]) -> None:
    with (FOLDER / f"{kind}.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")


def behaviour() -> dict[str, Any]:
    try:
        return dict(json.loads((FOLDER / "behaviour.json").read_text()))
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)  # noqa: T201
    server.serve_forever()
