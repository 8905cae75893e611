"""In which order nodes are asked for a connection that a node does not know. Pure.

After A, B and C have led in turn, A and B hold some. Then each packet visits one after the
other until one knows it, in an order that is the same for all: by name, and last who has left, for it passes
nothing on. What comes from a peer's hardware address has been passed on already, and goes only to nodes that
stand behind this one. The leader may begin anywhere in the row, and a node that has left may end it; from any
other peer that stands behind this node nothing is passed on. So packets do not go in circles while nodes
disagree: two believe to lead, or one that others hold for gone still has its rules.
"""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

__all__ = ["OtherSharers", "Others", "Row", "sharers", "stations"]


@dataclass(frozen=True, slots=True)
class Row:
    """Names of nodes, the next first: for what clients send, and for what peers have passed on.

    `upward` is for what came from a peer that stands before this node, `led` for what came from one of the
    `beginners` that stand behind.
    """

    first: Sequence[str]
    upward: Sequence[str]
    led: Sequence[str]
    beginners: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Others:
    """Names of those that may know a connection which this node does not, the `leader` among them.

    Of those that are `gone` some are `parting`, which not all know yet. `leader_holds`: it has connections
    from before it led this time.
    """

    names: Collection[str]
    leader: str | None
    gone: Collection[str] = ()
    parting: Collection[str] = ()
    leader_holds: bool = False


@dataclass(frozen=True, slots=True)
class OtherSharers:
    """Names of the other nodes that may know a connection, and of all the `peers`, which may begin a row.

    The process of those that are `silent` is gone or hangs. Of those that leave some are `parting`, which not
    all know yet.
    """

    names: AbstractSet[str]
    peers: AbstractSet[str]
    silent: AbstractSet[str] = frozenset()
    left: AbstractSet[str] = frozenset()
    parting: AbstractSet[str] = frozenset()


def stations(me: str, others: Others, *, answers: bool, leaving: bool = False, known: bool = False) -> Row:
    """Return whom node `me` passes packets on to.

    `answers`: clients send their packets to this node; else only those do that have not heard of the move,
    and whose connections the leader hardly has, unless it holds some from before: then it keeps its place
    among those behind this node, of which none passes on to who stands before it. Who is gone passes nothing
    on to the leader, either, and comes before it where nobody else would send it any. To the nodes that are
    gone the leader sends what comes from clients alone: one that only hangs passes on what the leader sends.
    Who is parting keeps its place for what goes to it, and is last already for what comes from nodes that
    have heard before. A node that is `leaving` is parting itself. Once that is `known` to all, the row ends
    here for what comes from behind: nobody tells a node that leaves who leads next, so none of them surely
    does.
    """
    leader, gone, parting = others.leader, others.gone, others.parting
    ordered = sorted(others.names, key=lambda name: (name in gone and name not in parting, name))
    leader_last = sorted(ordered, key=lambda name: name == leader)
    last_of_live = sorted(ordered, key=lambda name: (name in gone, name == leader and name < me))
    behind = [name for name in ordered if name in gone or name > me]
    keeps_place = others.leader_holds and leader in [name for name in behind if name not in gone][:-1]
    behind.sort(key=lambda name: (name == leader and not keeps_place, name in gone and name < me))
    but_leader = [name for name in behind if name != leader]
    if leaving:
        upward = but_leader
    elif leader == me:
        upward = [name for name in behind if name not in gone or (name in parting and name > me)]
    else:
        upward = behind
    return Row(
        first=ordered if answers else last_of_live if others.leader_holds else leader_last,
        upward=upward,
        led=but_leader if leader is not None and leader > me and not known else [],
        beginners=frozenset() if leader is None else frozenset({leader}),
    )


def sharers(me: str, others: OtherSharers, *, leaving: bool, known: bool = False) -> Row:
    """Return whom node `me` passes packets on to where it shares the address with `others`.

    Any peer may begin, with those whose process is silent: their clients have just come to the others.
    From a peer a packet goes on by name, and last to who has left. So it goes back but once, from who
    begins; a silent node may only hang, and pass on as it was told last: it gets nothing from other peers.
    Who is parting keeps its place, and is last, too: one that has heard of it before may have begun. A node
    that is `leaving` passes on from its place until that is `known` to all, but nothing that comes from
    behind: most of that visits it last, and would go in circles. Where it would be the first of the row, who
    begins has to send again later: such packets are dropped, and not refused.
    """
    still = sorted(others.names - others.silent - others.left)
    gone = [] if leaving else [*sorted(others.parting), *sorted(others.left)]
    onward = [] if leaving and known else [*(name for name in still if name > me), *gone]
    return Row(
        first=[*sorted(others.silent), *still, *sorted(others.left)],
        upward=onward,
        led=[] if leaving else onward,
        beginners=frozenset() if leaving else others.peers,
    )
