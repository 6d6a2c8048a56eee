"""Reading of a partner's credentials: what is only shown, such as its website, refuses no registration.

A role that this node does not know is left out; token, URL and the parties are never guessed.

Source: OCPI 2.2.1 credentials_object_description; CRD-23 … CRD-26; docs/interop.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.findings.received import Source, read_received
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.protocol.types import validate

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

_MODULE = "credentials"


def read_credentials(node: Node, partner: Partner, document: object) -> Credentials:
    """Read the credentials of a partner.

    Raises: as `read_received`.
    """
    return validate(
        Credentials, read_received(node, Source(partner, _MODULE), Credentials, document).document
    )
