"""Append-only Delta Lake tables: every prediction that was served, and the labels that came later."""
