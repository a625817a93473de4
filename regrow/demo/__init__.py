"""The demonstration: a model lives through a real year, with the same parts that production uses."""

from regrow.settings import apply_environment, load_settings


def main() -> None:
    """Replay the year; Prefect reads its environment when it is imported, so that is set first."""
    apply_environment(load_settings())
    from regrow.demo.replay import replay

    replay()
