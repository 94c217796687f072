"""Code of consumers that must not type-check: each line that is marked, and no other."""

from wriftai_anyio import Client, ModelPaginationOptions, SortDirection, WebhookReceiver, verify_webhook
from wriftai_anyio.predictions import AsyncWaitOptions, PredictionWithIO, WaitOptions


def predictions(client: Client) -> None:
    client.predictions.create("o/n", {"input": 1})  # error
    client.predictions.create({"text": "no input"}, "o/n")  # error
    client.predictions.create({"input": object()}, "o/n")  # error
    client.predictions.create({"input": 1, "webhook": {"secret": "no url"}}, "o/n")  # error
    client.predictions.create({"input": 1, "webhok": None}, "o/n")  # error
    client.predictions.batch(["bare"], "o/n")  # error
    client.predictions.list({"statuses": [1]})  # error
    client.predictions.list({"status": ["failed"]})  # error
    client.predictions.wait("id", AsyncWaitOptions())  # error
    WaitOptions(timeout="soon")  # error
    client.predictions.get("id")["outputs"]  # error
    client.predictions.get("id")["output"].upper()  # error


def verbs(client: Client) -> None:
    client.run("o/n", object())  # error
    client.run({"input": 1}, "o/n")  # error
    client.run("o/n", 1, output_type=int).upper()  # error
    client.run("o/n", 1, timeout=5)  # error
    client.map("o/n", 7)  # error
    client.map("o/n", [1], deduplicate="no")  # error
    client.map("o/n", [1], journal=5)  # error
    client.map("o/n", [1], max_failures="3")  # error
    client.stream("o/n", object())  # error
    client.stream("o/n", 1, wait="5")  # error
    client.stream("o/n", 1, output_type=int)  # error
    client.predictions.create({"input": 1}, "o/n", wait="yes")  # error
    client.predictions.batch([{"input": 1}], "o/n", find_unknown="yes")  # error
    client.files.save({"url": "https://a"}, 5)  # error
    client.run("o/n", 1, output_type=list[int]).append("1")  # error
    for output in client.map("o/n", [1], output_type=int):
        output.upper()  # error


async def awaited(client: Client) -> None:
    (await client.predictions.get("id"))["id"]  # error
    client.predictions.async_get("id")["id"]  # error
    for _ in client.predictions.async_iterate():  # error
        pass
    async for _ in client.predictions.iterate():  # error
        pass


def resources(client: Client) -> None:
    client.models.list({"sort_by": "name"})  # error
    client.models.list({"page_size": "5"})  # error
    client.users.list({"category_slugs": ["text"]})  # error
    client.models.create({"visibility": "public"})  # error
    client.models.update("o/n", {"created_at": "now"})  # error
    client.model_versions.get()  # error
    client.model_versions.list("o/n", {"sort_direction": SortDirection.ASC})  # error
    client.variables.update("v", {"secret": True})  # error
    client.variables.create({"name": "v"})  # error
    client.authenticated_user.delete()  # error
    for variable in client.variables.iterate():
        variable["values"]  # error
    options: ModelPaginationOptions = {"order": "asc"}  # error
    client.models.list(options)


def one(prediction: PredictionWithIO, second: int) -> None:
    print(prediction, second)


def webhooks(client: Client) -> None:
    verify_webhook("text", "t=1,v1=aa", "secret")  # error
    verify_webhook(b"", "t=1,v1=aa", b"secret")  # error
    WebhookReceiver("secret", one)  # error
    WebhookReceiver("secret", print, "client")  # error
    Client(token="t")  # error
