"""JSON values against the types that say what they are."""

import types
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict


def fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value has just the keys and types of a ``TypedDict``, all the way down."""
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        return set(value) == set(hints) and all(fits(value[key], hint) for key, hint in hints.items())
    if get_origin(kind) is list:
        return isinstance(value, list) and all(fits(each, get_args(kind)[0]) for each in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(fits(each, get_args(kind)[1]) for each in value.values())
    if get_origin(kind) in {Union, types.UnionType}:
        return any(fits(value, each) for each in get_args(kind))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind)
