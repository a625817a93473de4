"""Which version answers an entity during a rollout: the same everywhere, by a hash of its name."""

from hashlib import blake2b


def position(rollout: str, key: str) -> float:
    """Place *key* in [0, 1), uniformly and independently for each *rollout*.

    *key* is the entity's id, or the prediction's if the row names no entity. The 53 leading bits of BLAKE2b
    (RFC 7693) are all that a float can tell apart below 1.
    """
    digest = blake2b(f"{rollout}/{key}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def is_challengers(rollout: str, key: str, weight: float) -> bool:
    """Return whether the challenger answers *key* at *weight*; whom it answers at one, it answers at any higher."""
    return position(rollout, key) < weight


def is_mirrored(rollout: str, key: str, mirror: float) -> bool:
    """Return whether both versions score *key*; drawn apart from who answers it."""
    return position(f"{rollout}/mirror", key) < mirror
