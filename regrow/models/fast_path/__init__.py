"""The fast path: predict few rows with the pipeline's own answers, without its fixed cost."""
