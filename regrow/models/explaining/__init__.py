"""Why a model predicts what it does: what each raw column adds to a prediction, by Shapley's rule.

attributions   the rule itself: which way a model takes, and the check that all adds up to its prediction
origins        which raw column each column of the prepared matrix was made of
sampling       the way for any model: raw columns are exchanged for those of training rows
summary        the mean over many rows, by slice
"""
