"""The model server: FastAPI over champions of the MLflow registry, with a durable prediction log."""
