"""Where an engine may connect to: a base URL without secrets, and never an address that only a cloud's inside knows."""

import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from syneg_data.errors import InputError

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Link-local networks, and the metadata services that clouds put elsewhere. Loopback and private networks are allowed:
# that is where people's own servers are.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.0.0/16",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "224.0.0.0/3",
        "::/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?\Z")


def refused(address: str) -> bool:
    """Whether nothing may connect to this IP address, in whatever form IPv6 wraps it."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return any(form in network for form in _forms(parsed) for network in _REFUSED if form.version == network.version)


def _forms(address: Address) -> list[Address]:
    """The address, and the IPv4 address that it carries inside."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inside: list[ipaddress.IPv4Address | None] = [address.ipv4_mapped, address.sixtofour]
    inside += address.teredo or ()
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *(form for form in inside if form is not None)]


def check_base_url(url: str) -> str:
    """A base URL without its final slash; for use as a pydantic validator. The URL itself is never repeated."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise PydanticCustomError("base_url", "not a URL; write http(s)://host[:port]/v1") from None
    if parts.scheme not in ("http", "https") or not host:
        raise PydanticCustomError("base_url", "not an http or https URL; write http(s)://host[:port]/v1")
    if "@" in parts.netloc:
        raise PydanticCustomError(
            "base_url", "credentials stand in the URL; remove them and name an environment variable in api_key_env"
        )
    if "?" in url or "#" in url or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise PydanticCustomError(
            "base_url", "more than scheme, host, port and path in plain ASCII; remove query, fragment and spaces"
        )
    if port == 0:
        raise PydanticCustomError("base_url", "port 0 is no port; write the one the server listens on")
    _check_host(host, "[" in parts.netloc)
    return url.rstrip("/")


def _check_host(host: str, bracketed: bool) -> None:
    try:
        address: str | None = str(ipaddress.ip_address(host.partition("%")[0] if bracketed else host))
    except ValueError:
        address = None
    if address is None:
        if not _HOST.match(host) or _legacy_ipv4(host):
            raise PydanticCustomError("base_url", "not a host name or an IP address in its usual form; correct it")
    elif refused(address):
        raise PydanticCustomError(
            "base_url",
            "{address} is a link-local, metadata or unspecified address; name the server's own address",
            {"address": address},
        )


def _legacy_ipv4(host: str) -> bool:
    """Whether C libraries take the name for an IPv4 address: `2130706433`, `0x7f.1`, `127.1`, `0177.0.0.1`."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True


BaseUrl = Annotated[str, AfterValidator(check_base_url)]


def guarded_resolver(inner: "AbstractResolver | None" = None) -> "AbstractResolver":
    """A resolver for aiohttp that refuses a host as soon as one of its addresses may not be connected to.

    The addresses that it returns are those that are connected to, so a name cannot change its mind in between.

    Args:
        inner: who resolves names; the system by default.
    """
    from aiohttp.abc import AbstractResolver, ResolveResult
    from aiohttp.resolver import ThreadedResolver

    class Guarded(AbstractResolver):
        def __init__(self) -> None:
            self._inner = inner or ThreadedResolver()

        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:  # noqa: ANN401
            found = await self._inner.resolve(host, port, family)
            for result in found:
                if refused(result["host"]):
                    raise InputError(
                        f"host {host} resolves to {result['host']}, a link-local, metadata or unspecified address; "
                        "correct base_url, or the name"
                    )
            return found

        async def close(self) -> None:
            await self._inner.close()

    return Guarded()
