"""A client's HTTP connection in the worker that plays the session, which it steps time and again.

The service answered the first steps, and knows by then which session and which key they are of. A
request that is as those were, and that goes well, is answered here. With any other the connection
is given back, the request unread: until it is answered, it stays where the kernel put it. So the
service answers all that is refused, and whatever else is asked, and what a worker that died had not
begun to answer.
"""

from __future__ import annotations

import socket
import time
from email.utils import formatdate
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from service.labels import SAFE, identity_of
from service.sessions.direct import Answer, Direct, Order
from service.sessions.encoding import MEDIA, Form, form_of
from service.sessions.frames import ROUTES, Frame, Kind
from service.sessions.page import Page

CREDENTIALS = frozenset((b"authorization", b"x-api-key", b"cookie"))
"""Headers that tell who asks."""
_MOST_BYTES = 1 << 16
"""Of a request; longer ones are for the service."""
_MOST_HEADS = 8
"""That are remembered of a connection: clients send the same ones over and over."""
_IDLE_SECONDS = 10.0
_END = b"\r\n\r\n"
_NOT_HERE = frozenset((b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"))
"""Headers of requests that the service reads."""
_SAFE = b"".join(b"%b: %b\r\n" % one for one in SAFE)
_OPENINGS = {
    form: b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%bdate: " % (media.encode(), _SAFE)
    for form, media in MEDIA.items()
}


class Head(NamedTuple):
    """What the head of a request tells."""

    kind: Kind
    form: Form
    length: int
    """Of the body, in bytes."""
    identity: str
    """The id that the client gave it, empty for none."""


class Asked(NamedTuple):
    """A request that is whole."""

    head: Head
    body: bytes
    size: int
    """Of all of it, in bytes."""


class DirectRequests(Direct):
    """Requests in, answers out, one after another."""

    def __init__(self, handle: int, order: Order, connection: socket.socket, page: Page) -> None:
        super().__init__(handle, order, connection)
        self._page = page
        self._asked: Asked | None = None
        self._heads: dict[bytes, Head | None] = {}
        self._credentials = set(order.credentials or [])
        self._kinds = {
            route.format(session_id=order.session_id).encode(): kind
            for kind, route in ROUTES.items()
        }
        self._awaited = 1
        self.answered: list[tuple[Kind, float, str]] = []
        """Kind, seconds and id of the requests that were answered and not told."""
        self._used_at = time.monotonic()

    @property
    def has_work(self) -> bool:
        """Whether a command can be done now."""
        return self._asked is not None and not self.is_done

    @property
    def wants_to_read(self) -> bool:
        """Whether more commands are welcome."""
        return self._asked is None and not self.is_done

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do for it, and it is to be given back."""
        return self.is_over or self.is_gone

    @property
    def left_over(self) -> bytes:
        """What the service is to send when it has the connection back."""
        return b"" if self.is_gone else bytes(self.unsent)

    def give_back_idle(self, now: float) -> None:
        """Have the service read again, which closes what is kept for nothing."""
        self.is_over = self.is_over or now - self._used_at > _IDLE_SECONDS

    def greet(self, number: int) -> None:
        """Say nothing: clients of HTTP speak first."""

    def receive(self) -> None:
        """Look at what came, and leave it where it is."""
        try:
            data = self.connection.recv(_MOST_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_gone = True
            return
        found, _, rest = data.partition(_END)
        if len(found) == len(data):
            self._await(len(data) + 1)
            return
        head = self._head(found)
        size = len(found) + len(_END) + (0 if head is None else head.length)
        if head is None or head.length > self.order.allowance.body_bytes:
            self.is_over = True
        elif len(data) < size:
            self._await(size)
        else:
            self._await(1)
            body = rest[: head.length]
            # Escapes may say what is no character; they are rare, and looked at by the service.
            self.is_over = b"\\u" in body and head.form is Form.JSON
            self._asked = Asked(head, body, size)

    def work(self, answer: Answer) -> None:
        """Do the command; where all is well, take the request in and answer it."""
        asked, self._asked = self._asked, None
        assert asked is not None
        head = asked.head
        reply = answer(Frame(head.kind, head.form, self.handle, asked.body or b"{}"))
        if reply.kind != Kind.REPLY:
            self.is_over = True
            return
        identity = identity_of(head.identity)
        # Should the worker die from here on, nobody can know what the client got of the answer.
        self._page.answer(self.order.number)
        self.connection.recv(asked.size)
        self._send(_answer(head.form, identity, reply.content))
        self._used_at = time.monotonic()
        self.answered.append((head.kind, reply.seconds, identity))
        # The service sends what the client does not take at once.
        self.is_over = bool(self.unsent)
        if not self.unsent:
            self._page.answer(0)

    def _await(self, size: int) -> None:
        """Be woken when so many bytes are there; give the connection back where that is in vain.

        The kernel wakes earlier when no more will come, or it has no room for so much.
        """
        if size > _MOST_BYTES or (size == self._awaited and size > 1):
            self.is_over = True
        elif size != self._awaited:
            self._awaited = size
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def _head(self, told: bytes) -> Head | None:
        if told not in self._heads:
            if len(self._heads) == _MOST_HEADS:
                self._heads.clear()
            self._heads[told] = self._read(told)
        return self._heads[told]

    def _read(self, told: bytes) -> Head | None:
        """What a head tells; None where the request is for the service."""
        reader = _Reader()
        parser = HttpRequestParser(reader)
        try:
            parser.feed_data(told + _END)
        except (HttpParserError, HttpParserUpgrade):
            return None
        kind = self._kinds.get(reader.url)
        names = {name for name, _ in reader.headers}
        is_alike = (
            reader.is_whole
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and len(names) == len(reader.headers)
            and not names & _NOT_HERE
            and {one for one in reader.headers if one[0] in CREDENTIALS} == self._credentials
        )
        if kind is None or not is_alike:
            return None
        headers = {name: value.decode("latin-1") for name, value in reader.headers}
        if headers.get(b"connection", "keep-alive").lower() != "keep-alive":
            return None
        form = form_of(headers.get(b"content-type", MEDIA[Form.JSON]))
        if form is None:
            return None
        length = int(headers.get(b"content-length", "0"))
        return Head(kind, form, length, headers.get(b"x-request-id", ""))


class _Reader:
    """What httptools calls."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_whole = False

    def on_url(self, url: bytes) -> None:
        """A part of the path and the query."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """No more of them."""
        self.is_whole = True


def _answer(form: Form, identity: str, content: bytes) -> bytes:
    return b"%b%b\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b" % (
        _OPENINGS[form], formatdate(usegmt=True).encode(), identity.encode(), len(content), content,
    )  # fmt: skip
