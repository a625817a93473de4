"""Prefect's API by plain requests, signed in: where a test looks at what any program may send."""

from uuid import uuid4

import httpx


def signed_in(api: str, auth: str) -> httpx.Client:
    """Return a client of *api* that signs in by *auth*, `user:password`, and brings the token against foreign pages."""
    user, _, password = auth.partition(":")
    client = httpx.Client(base_url=api, auth=(user, password), timeout=30)
    name = str(uuid4())
    token = client.get("/csrf-token", params={"client": name}).raise_for_status().json()["token"]
    client.headers.update({"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": name})
    return client
