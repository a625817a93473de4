"""The demonstration: a model lives through a real year, with the same parts that production uses."""

from regrow.demo.replay import main

__all__ = ["main"]
