"""The shortest program: a model, an input, its output."""

from wriftai_anyio import Client

given = {"text": "the more the merrier"}
with Client() as client:
    words = client.run("sandbox/word-count", given)
print(words)
