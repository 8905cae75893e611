"""What a lab can go through: one failure each, and the story that tells several.

A drill gets a running lab, does one thing to the node that leads the first address, and lets time pass
until the addresses are answered again, or until the failure is over.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from roost.lab.events import Event
from roost.lab.lab import Lab

__all__ = ["DRILLS", "LASTING", "story"]

_PATIENCE: Final = 30.0  # seconds; memberlist's own timers need some 8
_BEFORE: Final = 1.0  # seconds of peace before something happens
_AFTER: Final = 1.5  # seconds of watching afterwards
_WATCHING: Final = "watching for a moment more"
LASTING: Final = ("lossy", "busy")  # drills that last as long as one wishes


def cut(lab: Lab) -> None:
    """The leader's switch port is blocked silently."""
    node = _leader(lab, "the leader's switch port is blocked")
    lab.cut(node)
    _moved_from(lab, node)


def heal(lab: Lab) -> None:
    """The leader is cut off, and comes back once its addresses have moved."""
    cut(lab)
    node = lab.events[-1].node
    lab.heal(node)
    _back_at(lab, node)


def kill(lab: Lab) -> None:
    """The leader's speaker is killed; its host lives on."""
    node = _leader(lab, "the leader's speaker is killed")
    lab.kill(node)
    _moved_from(lab, node)


def term(lab: Lab) -> None:
    """The leader's speaker is asked to hand over and leave."""
    node = _leader(lab, "the leader's speaker is asked to leave")
    lab.stop(node)
    _moved_from(lab, node)


def restart(lab: Lab) -> None:
    """The leader's speaker leaves and is started again."""
    term(lab)
    node = lab.events[-1].node
    lab.restart(node)
    _back_at(lab, node)


def freeze(lab: Lab) -> None:
    """The leader's speaker is stopped for 5 seconds, as by a debugger, and goes on."""
    node = _leader(lab, "the leader's speaker is stopped")
    lab.freeze(node)
    lab.sleep(5.0, f"{node} goes on")
    lab.thaw(node)
    _back_at(lab, node)


def drain(lab: Lab) -> None:
    """The leader is drained, and leads again afterwards."""
    node = _leader(lab, "the leader is drained")
    lab.drain(node)
    _moved_from(lab, node)
    lab.undrain(node)
    _back_at(lab, node)


def deaf(lab: Lab) -> None:
    """The leader is cut off while the clients hear only what is sent to them alone."""
    lab.sleep(_BEFORE, "the clients hear no broadcasts any more")
    lab.deafen()
    cut(lab)


def many(lab: Lab) -> None:
    """The leader of many addresses is cut off; make the lab large (--vips 500) for this one."""
    cut(lab)


def split(lab: Lab) -> None:
    """The LAN falls into two, each with a client, and becomes one again after 8 seconds."""
    node = _leader(lab, "the leader is put on a LAN of its own")
    led = lab.led_by(node)
    lab.split([node])
    lab.sleep(8.0, "the two LANs become one")
    lab.join([node])
    _back_at(lab, node, led)


def oneway(lab: Lab) -> None:
    """What the leader sends is lost for 3 seconds; it hears everything."""
    node = _leader(lab, "what the leader sends is lost")
    lab.mute(node)
    _moved_from(lab, node)
    lab.sleep(1.5, f"what {node} sends passes again")
    lab.unmute(node)
    _back_at(lab, node)


def flap(lab: Lab) -> None:
    """The leader's port is blocked for half a second five times."""
    node = _leader(lab, "the leader's port is blocked, five times")
    for _ in range(5):
        lab.cut(node)
        lab.sleep(0.5, f"{node}'s port forwards again")
        lab.heal(node)
        lab.sleep(1.0, "once more")
    _back_at(lab, node)


def carrier(lab: Lab) -> None:
    """The leader's cable is out for 3 seconds, three times."""
    node = _leader(lab, "the leader's cable is pulled, three times")
    for _ in range(3):
        lab.unplug(node)
        lab.sleep(3.0, f"{node}'s cable is back")
        lab.plug(node)
        lab.sleep(2.0, "once more")
    _back_at(lab, node)


def lossy(lab: Lab) -> None:
    """Of every node's frames 5 % are lost, each way, for --duration seconds: nothing should move."""
    lab.sleep(_BEFORE, "every node loses 5 % of its frames, each way")
    lab.lose(5)
    lab.sleep(lab.options.duration, "nothing should move")


def busy(lab: Lab) -> None:
    """Six processes spin and every link is full for --duration seconds: nothing should move."""
    lab.sleep(_BEFORE, "six processes spin and every link is full")
    lab.burden(spinners=6, megabits=20)
    lab.sleep(lab.options.duration, "nothing should move")


_ALL: Final = (
    cut,
    heal,
    kill,
    term,
    restart,
    freeze,
    drain,
    deaf,
    many,
    split,
    oneway,
    flap,
    carrier,
    lossy,
    busy,
)
DRILLS: Final[Mapping[str, Callable[[Lab], None]]] = MappingProxyType({each.__name__: each for each in _ALL})


def story(lab: Lab) -> None:
    """A silent cut, the way back, and a planned stop, one after the other."""
    heal(lab)
    lab.sleep(_AFTER, "a planned stop")
    term(lab)


def _leader(lab: Lab, then: str) -> str:
    """Return who leads the first address, after a moment of peace; `then` is what befalls it."""
    lab.sleep(_BEFORE, then)
    return lab.leader(lab.addresses[0])


def _moved_from(lab: Lab, node: str) -> None:
    """Wait until others answer what `node` did; where connections are spread it may serve what it has."""
    addresses = lab.events[-1].addresses
    without = "" if lab.router else node
    lab.wait(
        lambda: not lab.is_sent_to(node) and lab.answered(addresses, without=without),
        _PATIENCE,
        f"another node answers for what {node} led",
    )
    lab.sleep(_AFTER, _WATCHING)


def _back_at(lab: Lab, node: str, led: Sequence[str] | None = None) -> None:
    """Wait until `node` answers again for `led`, or what it led before the first event that hit it.

    To a shared address it comes back without taking clients along: then it has to be seen again. By
    connection it leads as before, and takes what begins.
    """
    if lab.options.sharing != "leader":
        back = lab.is_whole if lab.router is None else lab.is_spread
        lab.wait(back, _PATIENCE, f"{node} shares again what it shared")
        lab.sleep(_AFTER, _WATCHING)
        return
    addresses = led if led is not None else _first_hit(lab, node).addresses
    lab.wait(lambda: set(addresses) <= set(lab.led_by(node)), _PATIENCE, f"{node} leads again what it led")
    lab.sleep(_AFTER, _WATCHING)


def _first_hit(lab: Lab, node: str) -> Event:
    return next(event for event in lab.events if event.node == node)
