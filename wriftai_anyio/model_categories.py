"""Model categories: the groups that models belong to."""

from ._parsing.shapes import record
from ._resources.lists import ListedResource, Listing
from .common_types import ModelCategory
from .pagination import PaginationOptions

__all__ = ["ModelCategories", "ModelCategoryWithDetails"]


class ModelCategoryWithDetails(ModelCategory):
    """A model category with its description."""

    description: str
    """Description of the model category."""


class ModelCategories(ListedResource[ModelCategoryWithDetails, PaginationOptions]):
    """Model categories: the groups that models belong to.

    Args:
        api: What sends the requests.
    """

    def _listing(self) -> Listing[ModelCategoryWithDetails]:
        return Listing(self._api, "/model_categories", _category)


_category = record(ModelCategoryWithDetails, "slug")
