"""The documentation: `python -m docs FOLDER` makes the site from the docstrings and the README, and checks it."""
