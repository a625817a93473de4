"""From checked rows to answers: which version predicts which row, in batches, and in shadow."""
