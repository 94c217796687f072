"""A web application that counts words: while the caller waits, or in the background, for a later request.

It needs fastapi. It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts
itself. Run it, and open http://127.0.0.1:8000/docs.
"""

import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request

from wriftai_anyio import (
    AsyncWaitOptions,
    Client,
    NotFoundError,
    PredictionFailedError,
    UnprocessableEntityError,
    WaitTimeoutError,
)
from wriftai_anyio.sandbox import Sandbox

MODEL = "sandbox/word-count"
AT_ONCE = AsyncWaitOptions(timeout=20, cancel_on_exit=True)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with ExitStack() as stack:
        if "WRIFTAI_API_BASE_URL" in os.environ:
            client = Client()
        else:
            sandbox = stack.enter_context(Sandbox())
            client = Client(sandbox.access_token, sandbox.base_url)
        async with client as app.state.client:
            yield


app = FastAPI(lifespan=lifespan)


def client_of(request: Request) -> Client:
    client: Client = request.app.state.client
    return client


ClientOfApp = Annotated[Client, Depends(client_of)]


@app.post("/count")
async def count(text: str, client: ClientOfApp) -> dict[str, Any]:
    try:
        return {"words": await client.async_run(MODEL, {"text": text}, wait_options=AT_ONCE)}
    except WaitTimeoutError:
        raise HTTPException(504, "The model took too long.") from None
    except PredictionFailedError as error:
        raise HTTPException(502, str(error)) from None


@app.post("/jobs", status_code=202)
async def begin(text: str, client: ClientOfApp) -> dict[str, Any]:
    prediction = await client.predictions.async_create({"input": {"text": text}}, MODEL)
    return {"id": prediction["id"]}


@app.get("/jobs/{prediction_id}")
async def look(prediction_id: str, client: ClientOfApp) -> dict[str, Any]:
    try:
        prediction = await client.predictions.async_get(prediction_id)
    except (NotFoundError, UnprocessableEntityError):
        raise HTTPException(404, "There is no such job.") from None
    return {"status": prediction["status"], "words": prediction["output"]}


if __name__ == "__main__":
    uvicorn.run(app)
