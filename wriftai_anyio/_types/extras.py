"""Where what this version does not know goes, so that a new field of the API need not wait for a release."""

from collections.abc import Mapping

from .typing_backports import TypedDict


class ExtraBody(TypedDict, total=False):
    """Params that take more fields than they name."""

    extra_body: Mapping[str, object]
    """More fields of the request's body, which this version does not know."""
