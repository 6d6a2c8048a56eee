"""Changes of items, read from the records of the table's stream.

Source: docs/design.md, A change
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.modules.registry import is_pushed
from chalicelib.storage.values import Item, decode_item


@dataclass(frozen=True)
class StreamChange:
    """One record of the stream.

    before, after: the item, None where it did not exist. made_at: when it was written, in whole seconds since
    1970; None where the record has no time.
    """

    id: str
    sequence_number: str
    pk: str
    sk: str
    before: Item | None
    after: Item | None
    made_at: int | None = None

    @property
    def module(self) -> str:
        """Module of the object: the first part of the key."""
        return self.pk.partition("#")[0]

    @property
    def keeps_version(self) -> bool:
        """Tell whether only a `last_updated` changed, so that the item has the version that it had."""
        return self.before is not None and self.after is not None and self.before["v"] == self.after["v"]

    @property
    def is_object(self) -> bool:
        """Tell whether the item is the main item of an object that is pushed to partners."""
        return self.sk == "#" and is_pushed(self.module)

    @property
    def is_evse(self) -> bool:
        """Tell whether the item is an EVSE."""
        return self.module == "locations" and self.sk.startswith("E#")

    @property
    def is_partner(self) -> bool:
        """Tell whether the item is a partner."""
        return self.pk == "partners"


def read_change(record: Mapping[str, Any]) -> StreamChange:
    """Read a record, whose images are in DynamoDB's wire form."""
    data = record["dynamodb"]
    keys = decode_item(data["Keys"])
    return StreamChange(
        id=record["eventID"],
        sequence_number=data["SequenceNumber"],
        pk=keys["pk"],
        sk=keys["sk"],
        before=decode_item(data["OldImage"]) if data.get("OldImage") else None,
        after=decode_item(data["NewImage"]) if data.get("NewImage") else None,
        made_at=int(data["ApproximateCreationDateTime"]) if "ApproximateCreationDateTime" in data else None,
    )
