"""Settings of a partner: the operator decides them, and may change them at any time.

One model for all places that have the settings: invitation, registration, PATCH and output of the operator
API, the partner's record, and the command line. A new setting is a field here, with a default because
stored records lack it, and a line in docs/operator-api.md. Code that lists the settings asks this model.

The models of these places inherit from it, so that JSON stays flat: a record that was stored before this
model existed is read by it, and the operator API has no nested object. Only the order of the fields in a
record is another.

No settings are: the data that a partner sends (versions URL, endpoints, roles), and the roles that the
operator expects of it, which change by approving, rejecting and releasing (`partners/roles.py`).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from chalicelib.protocol.auth import TokenEncoding

TrailingSlash = Literal["keep", "add", "remove"]
"""keep: an endpoint stays as the partner wrote it, and a URL with ids has no slash at its end."""


class PartnerSettings(BaseModel):
    """The operator's settings for one partner.

    token_encoding: of tokens in the Authorization header. profiles: the partner's ways beyond OCPI. strict:
    for certification, nothing that the partner sends is repaired. pull: how often its lists are read, by
    module: `off`, `nightly` or `hourly`; nightly if it is not named. trailing_slash: what our calls do with a
    slash at the end of its URLs. credentials_listed_once: our version details list the credentials module as
    SENDER only, and not as RECEIVER as well. endpoints_with_slash: our version details list URLs with a slash
    at the end. only_version: the OCPI version to agree on with this partner, "" for the highest of both.

    Types only: a stored record must stay readable when a check changes. The operator API has the checks.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    name: str
    token_encoding: TokenEncoding = "base64"
    profiles: tuple[str, ...] = ()
    strict: bool = False
    pull: dict[str, str] = {}
    trailing_slash: TrailingSlash = "keep"
    credentials_listed_once: bool = False
    endpoints_with_slash: bool = False
    only_version: str = ""

    def settings_json(self) -> dict[str, Any]:
        """The settings as JSON values, without the other fields of a model that inherits from this one."""
        return self.model_dump(mode="json", include=set(PartnerSettings.model_fields))
