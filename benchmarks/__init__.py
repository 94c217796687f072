"""The figures of the package: `python -m benchmarks [names…]`."""
