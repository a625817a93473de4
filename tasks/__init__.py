"""Tasks: one file per step, a pure function and the step that wraps it."""
