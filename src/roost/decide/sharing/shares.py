"""What this node answers of a shared address, and who answers whom, as far as it knows. Pure."""

from collections.abc import Callable, Sequence

from roost.decide.sharing.presence import Presence
from roost.decide.sharing.roll_call import RollCall
from roost.model.address import IPAddress
from roost.model.lead import Lead
from roost.model.sharing import ALL_SLOTS, NO_SLOTS, Share, Table, Weights, lent_slots, slot_of, table

__all__ = ["Shares"]


class Shares:
    """The shares as node `me` sees them.

    `witnesses(name, lead)` are who would know that `name` is mute, `reserves(lead)` who would rather not
    take part, in order, and `unknown(lead)` whom gossip does not know and who answers all the same.
    """

    def __init__(
        self,
        me: str,
        presence: Presence | None = None,
        roll_call: RollCall | None = None,
        *,
        witnesses: Callable[[str, Lead], frozenset[str]] = lambda *_: frozenset(),
        reserves: Callable[[Lead], Sequence[str]] = lambda _: (),
        unknown: Callable[[Lead], Weights] = lambda _: (),
    ) -> None:
        self._me = me
        self._presence = presence or Presence()
        self._roll_call = roll_call or RollCall()
        self._witnesses = witnesses
        self._reserves = reserves
        self._unknown = unknown

    def table(self, lead: Lead) -> Table:
        """Return who answers whom, where `lead` is of a shared address."""
        return table(self.weights(lead), self.there(lead))

    def there(self, lead: Lead) -> frozenset[str]:
        """Return who counts as there: who shares it, and whom gossip has lost and the LAN hears."""
        lost_but_heard = self._presence.nodes & {name for name, _ in self.weights(lead)}
        return frozenset(lead.sharers) | lost_but_heard

    def weights(self, lead: Lead) -> Weights:
        """Return what all nodes weigh that may answer."""
        unknown = self._unknown(lead) if self._presence.nodes else ()
        return tuple(sorted((*lead.weights, *unknown))) if unknown else lead.weights

    def of_this_node(self, lead: Lead) -> Share | None:
        """Return what this node answers of a shared address, None where it takes no part.

        Who would rather not take part does so where all others are mute, and so is who would before it.
        """
        all_mute = self._roll_call.mute(lead.address)
        if self._me not in lead.sharers:
            ready = (name for name in self._reserves(lead) if name not in all_mute)
            alone = all_mute.issuperset(lead.sharers) and next(ready, None) == self._me
            return Share(NO_SLOTS, ALL_SLOTS) if alone else None
        full = self.table(lead)
        mute = all_mute & full.there
        knowing = frozenset((name, self._witnesses(name, lead)) for name in mute)
        lent = lent_slots(self.weights(lead), full.there, knowing, self._me) if mute else NO_SLOTS
        return Share(full.slots_of(self._me), lent)

    def answerers(self, lead: Lead, mac: bytes) -> tuple[str, ...]:
        """Return who answers the host at `mac` (6 bytes), and then who would if those before went."""
        if lead.sharers:
            return self.table(lead).answerers(slot_of(mac, lead.address))
        return (lead.node, *lead.standbys) if lead.node is not None else ()

    def parts(self, lead: Lead) -> dict[str, float]:
        """Return which part of all askers each node answers."""
        return dict(self.table(lead).parts) if lead.sharers else {}

    def mute(self, address: IPAddress) -> frozenset[str]:
        """Return who shares `address` and does not answer."""
        return self._roll_call.mute(address)
