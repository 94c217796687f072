"""Fields that this version does not know, so that you can use a new field of the API before the next release."""

from collections.abc import Mapping

from .typing_backports import TypedDict


class ExtraBody(TypedDict, total=False):
    """Params that accept more fields than the ones they list."""

    extra_body: Mapping[str, object]
    """More fields of the request's body, which this version does not know."""
