"""What a rollout has shown, and what becomes of it: always-valid bounds, limits, and the decision."""
