"""Taking our finalizers off, for a controller that does not know them."""

from roost.kubernetes.client import Api
from roost.kubernetes.credentials import Credentials
from roost.kubernetes.kinds import SERVICES
from roost.kubernetes.resources import CLEANUP_FINALIZER, POOL_ANNOTATION

__all__ = ["remove_all"]


async def remove_all(credentials: Credentials) -> int:
    """Take the clean-up finalizer off every Service with an address of ours; return how many there were.

    Nothing else changes: addresses and annotations stay. Raises ApiError.
    """
    api = Api(credentials)
    count = 0
    try:
        for item in (await api.get(SERVICES.path())).get("items") or ():
            metadata = item["metadata"]
            finalizers = metadata.get("finalizers") or ()
            if CLEANUP_FINALIZER in finalizers and POOL_ANNOTATION in (metadata.get("annotations") or {}):
                metadata["finalizers"] = [each for each in finalizers if each != CLEANUP_FINALIZER]
                path = SERVICES.path(metadata["namespace"], metadata["name"], "status")
                await api.replace(path, item)
                count += 1
    finally:
        await api.close()
    return count
