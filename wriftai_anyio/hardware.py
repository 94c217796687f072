"""Hardware: the kinds of machines that model versions can run on."""

from ._parsing.shapes import record
from ._resources.lists import ListedResource, Listing
from ._types.typing_backports import TypedDict
from .pagination import PaginationOptions

__all__ = ["Hardware", "HardwareResource"]


class Hardware(TypedDict):
    """A kind of machine that model versions can run on."""

    name: str
    """Name of the hardware."""
    identifier: str
    """Unique identifier of the hardware."""
    gpus: int
    """Number of GPUs."""
    cpus: int
    """Number of CPUs."""
    vram_gb: int
    """Memory of the GPUs, in GB."""
    ram_gib: int
    """Memory, in GiB."""
    created_at: str
    """Timestamp when the hardware was added."""
    description: str | None
    """Description of the hardware."""


class HardwareResource(ListedResource[Hardware, PaginationOptions]):
    """Hardware: the kinds of machines that model versions can run on.

    Args:
        api: What sends the requests.
    """

    def _listing(self) -> Listing[Hardware]:
        return Listing(self._api, "/hardware", _hardware)


_hardware = record(Hardware, "identifier")
