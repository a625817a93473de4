"""The journal on the local disk that every answer and label is written to, and its flush into the tables."""
