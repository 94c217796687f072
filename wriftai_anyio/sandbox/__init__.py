"""A local stand-in for the WriftAI API over real HTTP, for demos, tests and your own tests.

with Sandbox(models={"me/upper": lambda given: given["text"].upper()}) as sandbox:
    client = Client(sandbox.access_token, sandbox.base_url)
"""

try:
    from wriftai_anyio.sandbox._faults import Fault, FaultKind
    from wriftai_anyio.sandbox._limits import RateLimits
    from wriftai_anyio.sandbox._models import Model, ModelFunction
    from wriftai_anyio.sandbox._requests import RecordedRequest
    from wriftai_anyio.sandbox._sandbox import Sandbox
except ModuleNotFoundError as error:
    if error.name not in {"starlette", "uvicorn", "jsonschema"}:
        raise
    raise ImportError(f"the sandbox needs {error.name}: pip install 'wriftai-anyio[sandbox]'") from error

__all__ = ["Fault", "FaultKind", "Model", "ModelFunction", "RateLimits", "RecordedRequest", "Sandbox"]
