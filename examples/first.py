"""The shortest program: a model, an input, its output."""

from wriftai_anyio import Client

with Client() as client:
    words = client.run("sandbox/word-count", {"text": "the more the merrier"})
print(words)
