"""The documentation: guides in Markdown, and the reference from the docstrings. `nox -s docs` builds it."""
