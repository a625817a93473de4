"""Follow the registry: read which versions should serve, load them, and swap the split of the traffic."""
