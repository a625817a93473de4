"""What every room stands on: errors, settings, places, verdicts, provenance, reach, fan-out, the format of records."""
