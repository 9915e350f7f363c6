"""The ``Idempotency-Key`` header: another way to give a dispatch its id."""

from uuid import UUID, uuid5

from der_core.errors import Rejected

HEADER = "Idempotency-Key"
MAX_LENGTH = 255

_NAMESPACE = UUID("2b0e4f0c-33f8-5a7e-9a55-8f8f8a1d7c60")
"""Keys that are not UUIDs become ids within it; another value would make repeated keys count as new."""


def dispatch_id(body_id: UUID | None, key: str | None) -> UUID | None:
    """The id that a request gives its dispatch, in its body or by its key; ``None`` if it gives none.

    A key that is a UUID is the id; of any other text an id is derived.

    Raises:
        Rejected: ``idempotency_key_mismatch``, the two name different dispatches.
    """
    if key is None:
        return body_id
    try:
        named = UUID(key)
    except ValueError:
        named = uuid5(_NAMESPACE, key)
    if body_id not in (None, named):
        raise Rejected(
            "idempotency_key_mismatch",
            f"the {HEADER} header and the id in the body name different dispatches; send one of them, or the same",
            field=HEADER,
        )
    return named
