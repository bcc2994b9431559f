"""Where a host name leads, and whether that is out into the world. Whoever lets others name a host asks here first."""

import ipaddress
import socket


def addresses_of(host: str) -> list[str]:
    """Every address the name has now, each once. Raises OSError when it has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a name that no resolver could be asked for
        raise OSError(str(error)) from None
    return list(dict.fromkeys(str(info[4][0]).partition("%")[0] for info in found))


def are_public(addresses: list[str]) -> bool:
    """Whether all of them lie outside private, local and reserved ranges; one inside is one too many."""
    return all(ipaddress.ip_address(address).is_global for address in addresses)
