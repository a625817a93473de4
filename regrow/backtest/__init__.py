"""A model's own past, lived through again under several policies."""
