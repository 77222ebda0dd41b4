"""Where a webhook may point: never at the inside of the network that the service stands in."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from sim.errors import SurrogymError

_PORTS = {"http": 80, "https": 443}
_TRANSLATED = 96
"""Bits before the IPv4 address in one of 64:ff9b::/96."""


class ForbiddenAddress(SurrogymError):
    """A receiver that may not be called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a call goes: the address was looked at, and is the one that is called."""

    url: str
    """With the address in place of the name."""
    host: str
    """As the receiver is asked for, with the port where it is no usual one."""
    name: str
    """That the receiver's certificate has to have."""


def check_url(url: str, *, may_be_private: bool) -> None:
    """Raise ForbiddenAddress for what could never be called; names are looked up at each call."""
    _, name, _ = _parts(url)
    address = _literal(name)
    if address is not None:
        _refuse(address, may_be_private)


def locate(url: str, *, may_be_private: bool) -> Target:
    """Look a receiver's name up, and hold on to what was found.

    Raises ForbiddenAddress where any of its addresses is not public: names that mean two things
    are a way in.
    """
    scheme, name, port = _parts(url)
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ForbiddenAddress("the receiver's name is not known") from error
    addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    for address in addresses:
        _refuse(address, may_be_private)
    split = urlsplit(url)
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    bracketed = f"[{name}]" if ":" in name else name
    return Target(
        url=f"{scheme}://{_written(addresses[0])}:{port}{path}",
        host=bracketed if port == _PORTS[scheme] else f"{bracketed}:{port}",
        name=name,
    )


def _parts(url: str) -> tuple[str, str, int]:
    try:
        split = urlsplit(url)
        name, port = split.hostname, split.port
    except ValueError as error:
        raise ForbiddenAddress("url: this is no URL") from error
    if split.scheme not in _PORTS or not name:
        raise ForbiddenAddress("url: give one that begins with https:// or http://, and a host")
    if split.username is not None or split.password is not None:
        raise ForbiddenAddress("url: names and passwords do not belong into it")
    return split.scheme, name, _PORTS[split.scheme] if port is None else port


def _literal(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _refuse(address: IPv4Address | IPv6Address, may_be_private: bool) -> None:
    meant = _meant(address)
    if meant.is_multicast or meant.is_unspecified:
        raise ForbiddenAddress("the receiver's address is nobody's")
    if not meant.is_global and not may_be_private:
        raise ForbiddenAddress(
            "the receiver's address is not public: an operator may allow such ones with "
            "SURROGYM_WEBHOOKS__MAY_BE_PRIVATE"
        )


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that some IPv6 ones stand for."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address.packed[:12] == ip_address("64:ff9b::").packed[:12]:
        inner = IPv4Address(address.packed[_TRANSLATED // 8 :])
    return inner or address


def _written(address: IPv4Address | IPv6Address) -> str:
    return f"[{address}]" if isinstance(address, IPv6Address) else str(address)
