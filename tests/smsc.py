"""A real SMPP server in a process of its own, which does as the test says and records what it took.

`python -m tests.smsc FOLDER` prints its port. It reads FOLDER/behaviour.json before each PDU, so
that a test changes its mind at any moment, and appends what it took to FOLDER/taken.jsonl, and
every submit with its time, taken or not, to FOLDER/asked.jsonl:

status      the status of the answer to a submit, by number; "bind" for the bind
throttle    how many submits are answered ESME_RTHROTTLED before one is taken
delay       seconds before each answer; mute: never an answer
hold_from   no answer from that submit on, while it says so
drop_held   the connection breaks instead of the answers that were held
drop_at     the connection breaks at that submit, taken and not answered
unbind_at   the provider unbinds after that submit is answered
reversed    answers leave in the reverse order, by twos
stat        the `stat` of receipts, by number or "*"; none without it
receipt_ids "same", "hex-then-decimal", "decimal-then-hex"
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from smpplib import consts, smpp
from smpplib.client import SimpleSequenceGenerator

THROTTLED = consts.SMPP_ESME_RTHROTTLED
FORMATS = {"hex-then-decimal": ("{:X}", "{:010d}"), "decimal-then-hex": ("{:d}", "{:x}")}


class Smsc:
    """What all connections share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.submits = 0
        self.taken = 0
        self.throttled = 0
        self.receipts: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    def behaviour(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / "behaviour.json").read_text()))
        except (OSError, ValueError):
            return {}

    def note(self, pdu: Any) -> None:
        """Record a submit, whatever becomes of it."""
        line = {"to": pdu.destination_addr.decode(), "at": time.time()}
        with (self.folder / "asked.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")

    def take(self, pdu: Any) -> str:
        """Record a message; return its id as the answer writes it."""
        self.taken += 1
        behaviour = self.behaviour()
        number = pdu.destination_addr.decode()
        body = pdu.short_message or pdu.message_payload or b""
        line = {
            "to": number,
            "from": pdu.source_addr.decode(),
            "coding": pdu.data_coding,
            "esm_class": pdu.esm_class,
            "octets": body.hex(),
            "payload": bool(pdu.message_payload),
            "registered": pdu.registered_delivery,
        }
        with (self.folder / "taken.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        identifier = 0xABC000 + self.taken
        answered, receipted = FORMATS.get(behaviour.get("receipt_ids", ""), ("{:08x}", "{:08x}"))
        stats = behaviour.get("stat", {})
        if stat := stats.get(number, stats.get("*")):
            text = (
                f"id:{receipted.format(identifier)} sub:001 dlvrd:001 submit date:2603021000"
                f" done date:2603021001 stat:{stat} err:000 text:Bonjour"
            )
            fields = {"source_addr": number, "short_message": text.encode(), "esm_class": 4}
            self.receipts.put_nowait((number, fields))
        return answered.format(identifier)


class Session:
    """One connection."""

    def __init__(self, smsc: Smsc, reader: asyncio.StreamReader, writer: Any) -> None:
        self.smsc, self.reader, self.writer = smsc, reader, writer
        self.sequences = SimpleSequenceGenerator()
        self.kept: list[bytes] = []

    async def run(self) -> None:
        delivering = None
        try:
            while True:
                pdu = await self.read()
                if pdu.command.startswith("bind_"):
                    status = self.smsc.behaviour().get("status", {}).get("bind", 0)
                    self.write(f"{pdu.command}_resp", pdu, status, system_id="test")
                    if pdu.command != "bind_transmitter" and not status:
                        delivering = asyncio.create_task(self.deliver())
                elif pdu.command == "submit_sm":
                    await self.submit(pdu)
                elif pdu.command in ("unbind", "enquire_link"):
                    self.write(f"{pdu.command}_resp", pdu)
                elif pdu.command == "unbind_resp":
                    break
                await self.writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if delivering:
                delivering.cancel()
            self.writer.close()

    async def read(self) -> Any:
        length = await self.reader.readexactly(4)
        rest = await self.reader.readexactly(int.from_bytes(length, "big") - 4)
        return smpp.parse_pdu(length + rest, client=self.sequences, allow_unknown_opt_params=True)

    def write(self, name: str, to: Any, status: int = 0, **fields: Any) -> None:
        self.writer.write(self.reply(name, to, status, **fields))

    def reply(self, name: str, to: Any, status: int = 0, **fields: Any) -> bytes:
        pdu = smpp.make_pdu(name, client=self.sequences, status=status, **fields)
        pdu.sequence = to.sequence
        return bytes(pdu.generate())

    async def submit(self, pdu: Any) -> None:
        smsc, behaviour = self.smsc, self.smsc.behaviour()
        smsc.submits += 1
        smsc.note(pdu)
        if smsc.throttled < behaviour.get("throttle", 0):
            smsc.throttled += 1
            self.write("submit_sm_resp", pdu, THROTTLED)
            return
        status = behaviour.get("status", {}).get(pdu.destination_addr.decode(), 0)
        if status:
            answer = self.reply("submit_sm_resp", pdu, status)
        else:
            answer = self.reply("submit_sm_resp", pdu, 0, message_id=smsc.take(pdu))
        if behaviour.get("drop_at") == smsc.submits:
            self.writer.transport.abort()
            raise ConnectionError
        if behaviour.get("mute"):
            return
        if self.is_held(smsc.submits):
            asyncio.create_task(self.answer_later(answer, smsc.submits))  # noqa: RUF006 (ends with the test)
            return
        await asyncio.sleep(behaviour.get("delay", 0))
        self.kept.append(answer)
        if not behaviour.get("reversed") or len(self.kept) == 2:
            self.writer.write(b"".join(reversed(self.kept)))
            self.kept.clear()
        if behaviour.get("unbind_at") == smsc.submits:
            self.writer.write(smpp.make_pdu("unbind", client=self.sequences).generate())

    def is_held(self, submit: int) -> bool:
        return submit >= int(self.smsc.behaviour().get("hold_from", sys.maxsize))

    async def answer_later(self, answer: bytes, submit: int) -> None:
        while self.is_held(submit):
            await asyncio.sleep(0.02)
        if self.smsc.behaviour().get("drop_held"):
            self.writer.transport.abort()
            return
        self.writer.write(answer)

    async def deliver(self) -> None:
        while True:
            _number, fields = await self.smsc.receipts.get()
            pdu = smpp.make_pdu("deliver_sm", client=self.sequences, **fields)
            self.writer.write(pdu.generate())


async def main(folder: Path) -> None:
    smsc = Smsc(folder)
    server = await asyncio.start_server(
        lambda reader, writer: Session(smsc, reader, writer).run(), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
