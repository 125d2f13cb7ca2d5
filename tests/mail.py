"""A real SMTP server that collects what it is sent and misbehaves on request."""

import asyncio
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session


class SmtpSink:
    """An SMTP server on 127.0.0.1 whose faults a test can choose.

    `messages` holds the accepted mails in order and `recipients` their envelope addresses.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.host = "127.0.0.1"
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.reset()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(
            lambda: SMTP(self, hostname="sink", loop=self._loop, enable_SMTPUTF8=True),
            "127.0.0.1",
            0,
        )

    def reset(self) -> None:
        """Forget every message and every fault."""
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refused: dict[str, str] = {}
        self.hang_seconds = 0.0
        self.drop_after_data = False
        self.reply_after_data = "250 OK"
        self.attempts = 0

    def refuse(self, address: str, reply: str = "550 No such mailbox") -> None:
        """Answer RCPT TO for this address with `reply` (a 4xx is temporary, a 5xx is final)."""
        self.refused[address] = reply

    def hang(self, seconds: float) -> None:
        """Let every DATA wait this long before its answer."""
        self.hang_seconds = seconds

    def drop(self) -> None:
        """Accept each message and cut the connection instead of saying so."""
        self.drop_after_data = True

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.attempts += 1
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        # Those of now: a mail that hangs must not turn up in the test after a reset.
        messages, recipients = self.messages, self.recipients
        if self.hang_seconds:
            await asyncio.sleep(self.hang_seconds)
        if not self.reply_after_data.startswith("2"):
            return self.reply_after_data
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        recipients.append(list(envelope.rcpt_tos))
        messages.append(message_from_bytes(raw, policy=policy.default))
        if self.drop_after_data and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return self.reply_after_data
