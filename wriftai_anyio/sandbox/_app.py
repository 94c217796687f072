"""The application: the routes of all resources, behind the gate."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount
from starlette.types import ASGIApp

from ._answers import ApiError, answer_api_error, answer_http_error
from ._files import FileRoutes
from ._gate import Gate
from ._model_routes import ModelRoutes
from ._page import build_page
from ._prediction_routes import PredictionRoutes
from ._reference_routes import reference_routes
from ._runner import Runner
from ._settings import API_PREFIX
from ._state import State
from ._uploads import UploadRoutes
from ._user_routes import UserRoutes
from ._variable_routes import VariableRoutes
from ._version_routes import VersionRoutes


def build_app(state: State, runner: Runner) -> ASGIApp:
    """Return the ASGI application.

    Args:
        state: What the routes work on.
        runner: Runs predictions.
    """
    uploads = UploadRoutes(state.files, state.uploads, state.settings.part_size)
    api_routes = [
        *PredictionRoutes(state.predictions, state.catalog, runner, state.settings).routes(),
        *ModelRoutes(state.catalog, state.users).routes(),
        *VersionRoutes(state.catalog, state.variables).routes(),
        *UserRoutes(state.users, state.catalog).routes(),
        *VariableRoutes(state.variables).routes(),
        *reference_routes(),
        *uploads.routes(),
    ]
    starlette = Starlette(
        routes=[
            Mount(API_PREFIX, routes=api_routes),
            *uploads.store_routes(),
            *FileRoutes(state.files).routes(),
        ],
        exception_handlers={ApiError: answer_api_error, HTTPException: answer_http_error},
    )
    return Gate(starlette, build_page(state), state.access_token, state.requests, state.faults, state.limiter)
