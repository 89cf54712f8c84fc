"""An SMTP server that takes everything and keeps nothing, as fast as Python can; its own process.

It offers PIPELINING (RFC 2920), as Postfix and the large receivers do.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

END = b"\r\n.\r\n"
READY = b"354 go on\r\n"
OK = b"250 OK\r\n"
GREETING = b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


class Conversation(asyncio.Protocol):
    """One connection: all the answers that what has come allows are written at once."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport, self._buffer, self._in_content = transport, b"", False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        buffer, answers = self._buffer + data, []
        while buffer:
            end = END if self._in_content else b"\r\n"
            unit, found, rest = buffer.partition(end)
            if not found:
                break
            buffer = rest
            if self._in_content:
                self._in_content = False
                answers.append(OK)
                continue
            verb = unit[:4].upper()
            if verb == b"DATA":
                self._in_content = True
                answers.append(READY)
            elif verb == b"EHLO":
                answers.append(GREETING)
            elif verb == b"QUIT":
                self.transport.write(b"".join(answers) + b"221 bye\r\n")
                self.transport.close()
                return
            else:
                answers.append(OK)
        self._buffer = buffer
        if answers:
            self.transport.write(b"".join(answers))


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Conversation, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def sink() -> Iterator[int]:
    """Run a sink for the block; yield its port."""
    command = [sys.executable, "-m", "benchmarks.sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(_serve())
