"""Prefect's API by plain requests, signed in: where a test looks at what any program may send."""

from uuid import uuid4

import httpx


def signed_in(api: str, auth: str) -> httpx.Client:
    """Return a client of *api* that signs in by *auth*, `user:password`, and brings the token against foreign pages."""
    user, _, password = auth.partition(":")
    name = str(uuid4())
    answer = httpx.get(f"{api}/csrf-token", params={"client": name}, auth=(user, password), timeout=30)
    headers = {"Prefect-Csrf-Token": answer.raise_for_status().json()["token"], "Prefect-Csrf-Client": name}
    # It has asked nothing yet: a client that has cannot be entered by `with`.
    return httpx.Client(base_url=api, auth=(user, password), headers=headers, timeout=30)
