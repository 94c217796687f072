"""Limits what an agent may do: which models, how many predictions, which files. All is checked before a request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path


class ToolError(Exception):
    """A call of the agent that is wrong or that the limits forbid. The agent reads the message."""


@dataclass
class Guards:
    """The limits of one server.

    Args:
        max_predictions: How many predictions may be created while the server runs; `None` for no limit.
        allow: Shell patterns of the models that may be run, such as `owner/*`; empty for all models.
        folder: The folder that tools read files from and save them in; without one, no tool reads or writes files.
    """

    max_predictions: int | None = None
    allow: Sequence[str] = ()
    folder: Path | None = None
    _created: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.max_predictions is not None and self.max_predictions < 0:
            raise ValueError("max_predictions must not be negative.")
        if self.folder is not None:
            if not self.folder.is_dir():
                raise ValueError(f"folder must be a folder that exists, not {str(self.folder)!r}.")
            self.folder = self.folder.resolve()

    def check_model(self, model: str) -> None:
        """Checks that a model may be run.

        Args:
            model: `owner/name` or `owner/name:number`.

        Raises:
            ToolError: If no pattern allows it.
        """
        name = model.partition(":")[0]
        if self.allow and not any(fnmatchcase(name, pattern) for pattern in self.allow):
            raise ToolError(f"This server may not run {name!r}. It allows: {', '.join(self.allow)}.")

    def take_prediction(self) -> None:
        """Counts a prediction that is about to be created.

        Raises:
            ToolError: If the limit is reached; nothing is counted.
        """
        if self.max_predictions is not None and self._created >= self.max_predictions:
            raise ToolError(
                f"This server's limit of {self.max_predictions} predictions is reached. "
                "Nothing was created. Ask the person who runs it."
            )
        self._created += 1

    def give_back_prediction(self) -> None:
        """Takes back the count of a prediction that was certainly not created."""
        self._created -= 1

    def path(self, given: str) -> Path:
        """Returns the path of a file in the folder.

        Args:
            given: The path as the agent gave it, relative to the folder.

        Returns:
            The path, with all links followed.

        Raises:
            ToolError: If it leads out of the folder: through `..`, an absolute path or a link.
        """
        if self.folder is None:
            raise ToolError("This server has no folder for files.")
        try:
            path = (self.folder / given).resolve()
        except (OSError, ValueError):
            raise ToolError(f"{given[:80]!r} is not a path.") from None
        if not path.is_relative_to(self.folder):
            raise ToolError(f"{given[:80]!r} is outside the folder of this server.")
        return path
