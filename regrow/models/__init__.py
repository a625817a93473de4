"""Models: stored ones, the contract of their rows, metrics, the shapes of predictions, the fast path."""
