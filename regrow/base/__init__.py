"""What every room stands on: errors, settings and places, verdicts, provenance, and how records outlive a program."""
