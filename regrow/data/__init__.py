"""Rows on disk and in tables: sources, snapshots, the log of predictions, the labels, and what is sampled of them."""
