"""The parts of a decider, and which of them knows which: what stands first knows none that stands below."""

from roost.decide.absence import Absence
from roost.decide.agenda import Agenda
from roost.decide.caring import Caring
from roost.decide.conflicts import Conflicts
from roost.decide.connections.passing_on import PassingOn
from roost.decide.doubts import Doubts
from roost.decide.failback import Failback
from roost.decide.hearing import Hearing
from roost.decide.host import Host
from roost.decide.leading import Leading
from roost.decide.meeting import Meeting
from roost.decide.publishing import Publishing
from roost.decide.questions import Questions
from roost.decide.sharing.sharers import Sharers
from roost.decide.spreading.spreading import Spreading
from roost.decide.standing.own_word import OwnWord
from roost.decide.state import State
from roost.decide.vrrp.following import Following

__all__ = ["Parts"]


class Parts:
    """All parts, on one state."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.passing_on = PassingOn(state)
        self.publishing = Publishing(state, self.passing_on)
        self.own_word = OwnWord(state)
        self.sharers = Sharers(state, self.publishing)
        self.spreading = Spreading(state, self.passing_on)
        self.doubts = Doubts(state, self.publishing, self.sharers)
        self.leading = Leading(
            state,
            self.publishing,
            self.own_word,
            self.passing_on,
            self.sharers,
            doubts=self.doubts,
            spreading=self.spreading,
        )
        self.failback = Failback(state, self.leading, self.own_word)
        self.conflicts = Conflicts(state, self.leading, self.publishing, self.sharers, self.doubts)
        self.absence = Absence(
            state, self.leading, self.publishing, self.own_word, self.failback, doubts=self.doubts
        )
        self.meeting = Meeting(
            state, self.leading, self.publishing, self.own_word, self.spreading, doubts=self.doubts
        )
        self.questions = Questions(state, self.leading, self.publishing, self.doubts)
        self.virtual = Following(state, self.leading, self.publishing)
        self.caring = Caring(state, self.leading, self.own_word)
        self.hearing = Hearing(
            state,
            leading=self.leading,
            own_word=self.own_word,
            caring=self.caring,
            passing_on=self.passing_on,
            spreading=self.spreading,
            virtual=self.virtual,
        )
        self.host = Host(
            state,
            leading=self.leading,
            doubts=self.doubts,
            publishing=self.publishing,
            own_word=self.own_word,
            absence=self.absence,
            virtual=self.virtual,
            spreading=self.spreading,
        )
        self.agenda = Agenda(
            (state.lease, state.watch),
            (
                state.isolation,
                state.settling,
                state.asking,
                state.succession,
                state.handover,
                state.yielding,
                state.readiness,
                state.patrol,
                state.standing,
                state.drain,
                state.inability,
                state.tracking,
                state.vouching,
                state.rejoining,
                state.clients,
                state.announcing,
                state.own_connections,
                state.holders,
                state.taking,
                self.doubts,
                self.passing_on,
                self.failback,
                self.virtual,
                self.sharers,
            ),
        )
