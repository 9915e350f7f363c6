"""Of the parts of a dispatch, which is an asset's."""

from der_client.models import Dispatch
from der_core.lifecycle import FINAL_STATES


def has_part(record: Dispatch, asset_id: str) -> bool:
    """Whether an asset has a part in a dispatch that has not ended: one is over where a newer command came."""
    return any(
        part["asset_id"] == asset_id and part["state"] not in FINAL_STATES for part in record["allocations"]
    )
