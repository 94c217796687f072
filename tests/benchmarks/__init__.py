"""The figures of the package: `python -m tests.benchmarks [names…]`."""
