"""Pure statistics and rules: every automatic decision is a `Verdict`, made without Prefect or MLflow."""
