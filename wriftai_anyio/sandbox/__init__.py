"""A local stand-in for the WriftAI API over real HTTP, for demos, tests and your own tests.

```python
with Sandbox(models={"me/upper": lambda given: given["text"].upper()}) as sandbox:
    client = Client(sandbox.access_token, sandbox.base_url)
```
"""

try:
    from ._faults import Fault, FaultKind
    from ._limits import RateLimits
    from ._models import Model, ModelError, ModelFunction
    from ._requests import RecordedRequest
    from ._sandbox import Sandbox
    from ._settings import Delivery
    from ._streams import Streaming
except ModuleNotFoundError as _error:
    if _error.name not in {"starlette", "uvicorn", "jsonschema"}:
        raise
    raise ImportError(f"the sandbox needs {_error.name}: pip install 'wriftai-anyio[sandbox]'") from _error

__all__ = [
    "Delivery",
    "Fault",
    "FaultKind",
    "Model",
    "ModelError",
    "ModelFunction",
    "RateLimits",
    "RecordedRequest",
    "Sandbox",
    "Streaming",
]
