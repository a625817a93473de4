"""What a table shows of itself: what its columns hold, which of them name and date a row, and what leaks the target."""
