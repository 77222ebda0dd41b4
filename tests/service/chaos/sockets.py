"""Connections of clients that have gone, or never meant to come."""

from __future__ import annotations

import base64
import os
import socket
import struct
from urllib.parse import urlsplit

from tests.service.conftest import KEY


def connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=10)


def stream_that_never_reads(address: str, session_id: str) -> socket.socket:
    """A WebSocket on a session whose other side reads nothing but the greeting."""
    line = connect(address)
    key = base64.b64encode(os.urandom(16)).decode()
    line.sendall(
        f"GET /v1/sessions/{session_id}/stream HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {KEY}\r\n\r\n".encode()
    )
    assert b" 101 " in line.recv(4096)
    return line


def send_text(line: socket.socket, text: str) -> None:
    """One masked frame."""
    content = text.encode()
    assert len(content) < 126
    line.sendall(bytes([0x81, 0x80 | len(content)]) + bytes(4) + content)


def half_a_request(address: str) -> socket.socket:
    """A body that is announced and does not come."""
    line = connect(address)
    line.sendall(
        b"POST /v1/sessions HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + KEY.encode() + b"\r\nContent-Length: 1000\r\n\r\n{"
    )
    return line


def vanish(line: socket.socket) -> None:
    """As when a cable is pulled: no goodbye, and a reset for whatever comes."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()
