"""Worlds made of a seed: the API, the network and the callers in virtual time, and what must never be."""
