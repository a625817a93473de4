"""Flows: wiring only."""
