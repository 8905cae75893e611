"""One of several replicas works, by a coordination.k8s.io Lease; the others wait for it to fall silent.

The holder stops `DEADLINE` after its last success, before anybody else may start at `DURATION` after the last
renewal that was seen. Only own clocks count, and only differences of times: clocks need not agree.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from roost.kubernetes.client import Api, ApiError
from roost.kubernetes.kinds import LEASES, SERVICES
from roost.observe.quiet import Once

__all__ = ["LeaderLease"]

_log = logging.getLogger("roost.kubernetes")

DURATION: Final = 6  # seconds
DEADLINE: Final = 4.0
_RENEW: Final = 1.5
_REFUSED_FOR: Final = 3.0  # seconds


class LeaderLease:
    """The Lease `name` in `namespace`, wanted for `identity`."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._collection = LEASES.path(namespace)
        self._path = LEASES.path(namespace, name)
        self._name = name
        self._identity = identity
        self._clock = clock
        self._seen: tuple[str, str] | None = None  # holder and time of renewal, as written
        self._seen_at = 0.0
        self._may_hold = False  # known once it was held
        self._refused_since: float | None = None

    async def acquire(self) -> bool:
        """Wait until this replica holds the lease.

        Returns False where there is no right to leases: then nobody can be kept out, and nothing is held.
        """
        waited_for, complaint = Once(), Once()
        while True:
            holder = ""
            try:
                holder = await self._try()
                self._refused_since = None
            except ApiError as error:
                if await self._is_denied(error):
                    _log.warning(
                        "no leader election: %s; run one replica only, or grant the right to leases",
                        error,
                    )
                    return False
                if not error.conflict and complaint.new(error):
                    _log.warning("cannot take the lease %s: %s", self._name, error)
            if holder == self._identity:
                self._may_hold = True
                return True
            if holder and waited_for.new(holder):
                _log.info("waiting for another replica to end", extra={"holder": holder})
            await asyncio.sleep(_RENEW / 2)

    async def _is_denied(self, error: ApiError) -> bool:
        """Tell whether `error` says that there is no right to leases.

        An API server that has just started refuses everything for a moment, until it knows the roles: a
        refusal has to last, while something else that is needed anyway is allowed.
        """
        if not error.forbidden or self._may_hold:
            self._refused_since = None
            return False
        now = self._clock()
        if self._refused_since is None:
            self._refused_since = now
        if now - self._refused_since < _REFUSED_FOR:
            return False
        try:
            await self._api.get(SERVICES.path(), {"limit": "1"})
        except ApiError:
            return False
        return True

    async def keep(self) -> None:
        """Renew until that has failed for too long: whoever awaits this must stop working then."""
        good = self._clock()
        while True:
            await asyncio.sleep(_RENEW)
            try:
                async with asyncio.timeout(_RENEW):
                    holder = await self._try()
            except (ApiError, TimeoutError) as error:
                if self._clock() - good > DEADLINE - _RENEW:
                    _log.error("the lease is lost: %s", error)
                    return
                continue
            if holder != self._identity:
                _log.error("the lease is lost to %s", holder)
                return
            good = self._clock()

    async def release(self) -> None:
        """Let the next replica start at once."""
        try:
            lease = await self._api.get(self._path)
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._api.replace(self._path, lease)
        except ApiError as error:
            _log.info("the lease was not released: %s", error)

    async def _try(self) -> str:
        """Create, renew or take over; return who holds the lease now."""
        lease = await self._api.find(self._path)
        if lease is None:
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name},
                "spec": self._spec(0) | {"acquireTime": _now()},
            }
            await self._api.create(self._collection, body)
            return self._identity
        spec = lease.get("spec") or {}
        holder = str(spec.get("holderIdentity") or "")
        if holder != self._identity:
            if not self._is_silent(holder, spec):
                return holder
            lease["spec"] = self._spec(int(spec.get("leaseTransitions") or 0) + 1) | {"acquireTime": _now()}
        else:
            lease["spec"] = {**spec, "renewTime": _now(), "leaseDurationSeconds": DURATION}
        await self._api.replace(self._path, lease)  # a conflict: somebody else was quicker
        return self._identity

    def _is_silent(self, holder: str, spec: dict[str, Any]) -> bool:
        """Tell whether the holder has not renewed for as long as it said, by this replica's own clock."""
        if not holder:
            return True
        seen = (holder, str(spec.get("renewTime")))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        return self._clock() - self._seen_at > float(spec.get("leaseDurationSeconds") or DURATION)

    def _spec(self, transitions: int) -> dict[str, Any]:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION,
            "leaseTransitions": transitions,
            "renewTime": _now(),
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
