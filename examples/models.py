"""Lists and searches models, then publishes one, configures it and deletes it again.

It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts itself.
"""

import os
from itertools import islice

from wriftai_anyio import Client, ModelsSortBy, ModelVisibility, SortDirection
from wriftai_anyio.sandbox import Sandbox


def look_around(client: Client) -> None:
    print("hardware:", ", ".join(item["identifier"] for item in client.hardware.iterate()))
    print("categories:", ", ".join(category["slug"] for category in client.model_categories.iterate()))
    print("most used models:")
    with client.models.iterate(
        {"sort_by": ModelsSortBy.PREDICTIONS_COUNT, "sort_direction": SortDirection.DESC}
    ) as models:
        for model in islice(models, 5):
            print(f"  {model['owner']['name']}/{model['name']}: {model['predictions_count']} predictions")
    found = client.models.search("text", {"page_size": 5})
    print("found by a search:", ", ".join(model["name"] for model in found.items))


def publish(client: Client) -> None:
    owner = client.authenticated_user.get()["name"]
    client.models.create({"name": "greeter", "visibility": ModelVisibility.private, "description": "Says hello."})
    client.variables.create({"name": "greeting", "key": "GREETING", "value": "hello", "secret": False})
    hardware = client.hardware.list().items[0]["identifier"]
    version = client.model_versions.create(
        f"{owner}/greeter",
        {
            "release_notes": "The first.",
            "schemas": {"prediction": {"input": {"type": "string"}, "output": {"type": "string"}}},
            "container_image_digest": f"sha256:{'0' * 64}",
            "configuration": {"hardware_identifier": hardware, "variable_names": []},
        },
    )
    identifier = f"{owner}/greeter:{version['number']}"
    configuration = client.model_versions.update_configuration(identifier, {"variable_names": ["greeting"]})
    print(f"{identifier} runs on {configuration['hardware_identifier']} with {configuration['variable_names']}")
    client.model_versions.delete(identifier)
    client.models.delete(f"{owner}/greeter")
    client.variables.delete("greeting")


def main(client: Client) -> None:
    with client:
        look_around(client)
        publish(client)


if __name__ == "__main__":
    if "WRIFTAI_API_BASE_URL" in os.environ:
        main(Client())
    else:
        with Sandbox(sample_data=True) as sandbox:
            main(Client(sandbox.access_token, sandbox.base_url))
