"""What people are told when leads, or shares of an address, have moved. Pure."""

from collections.abc import Mapping, Sequence

from roost.decide import census
from roost.decide.state import State
from roost.model.election import Move
from roost.model.eligibility import impediment
from roost.model.event import Event, Happening, Level
from roost.model.node import Candidate
from roost.model.tenure import failback_text

__all__ = ["tell_moves"]


def tell_moves(
    state: State, moves: Sequence[Move], why: str, before: Mapping[str, Candidate], now: float
) -> None:
    """Say what has moved; `why` is for people, else it follows from the candidates as they were `before`."""
    for move in moves:
        ranking = state.election.rankings.get(move.service)
        if move.left or move.joined:
            _tell_shares(state, move, why, now)
            if ranking is None or not ranking.takers or move.old_leader == move.new_leader:
                continue
        taken = ranking is not None and move.new_leader == ranking.holder
        reason = why or census.reason(
            move,
            before,
            state.election.candidates,
            state.election.fitness.get(move.service, {}),
            isolated=state.isolation.isolated,
            failback=failback_text(ranking.service.failback) if ranking is not None and taken else "",
        )
        facts: dict[str, object] = {
            "service": move.service,
            "from": move.old_leader,
            "to": move.new_leader,
            "why": reason,
        }
        if move.new_leader == state.me and move.old_leader and state.is_lost(move.old_leader):
            heard = state.watch.last_heard(move.old_leader)
            if heard is not None:
                facts["silent_s"] = round(now - heard, 4)
        # What a starting node learns is no move: it was so before.
        level = Level.INFO if state.settling.settled else Level.DEBUG
        state.outbox.say(Event(Happening.LEAD_MOVED, "lead moved", level, facts))


def _tell_shares(state: State, move: Move, why: str, now: float) -> None:
    candidates = state.election.candidates
    fitness = state.election.fitness.get(move.service, {})
    left = {name: impediment(candidates[name]) for name in sorted(move.left) if name in candidates}
    told = [f"{each.node} is {each.detail}" for each in left.values() if each is not None]
    unfit = [name for name, each in left.items() if each is None and name in fitness]
    gone = "; ".join([*told, *(f"{name} is unfit ({fitness[name].why})" for name in unfit)])
    facts: dict[str, object] = {
        "service": move.service,
        "left": ", ".join(sorted(move.left)),
        "joined": ", ".join(sorted(move.joined)),
        "to": move.new_leader,
        "why": why or gone or "others may lead it now",
    }
    silent = [now - at for name in move.left if (at := state.watch.last_heard(name)) is not None]
    if silent and any(state.is_lost(name) for name in move.left):
        facts["silent_s"] = round(min(silent), 4)
    level = Level.INFO if state.settling.settled else Level.DEBUG
    state.outbox.say(Event(Happening.SHARES_MOVED, "shares moved", level, facts))
