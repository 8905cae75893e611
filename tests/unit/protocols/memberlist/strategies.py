"""Hypothesis strategies for every memberlist message, within the bounds that the codec keeps."""

from hypothesis import strategies as st

from roost.protocols.memberlist.messages import (
    META_LIMIT,
    Ack,
    Alive,
    Dead,
    ErrorResponse,
    IndirectPing,
    Nack,
    NodeState,
    Ping,
    PushPull,
    Status,
    Suspect,
    UserMessage,
    Versions,
)

KEY = b"0123456789abcdef" * 2
OTHER_KEY = b"another-key-here"

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFF_FFFF)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
addresses = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
metas = st.binary(max_size=META_LIMIT)
versions = st.builds(Versions, u8, u8, u8, u8, u8, u8)
sources = {
    "source_address": st.none() | addresses,
    "source_port": u16,
    "source_node": st.just("") | names,
}

packet_messages = st.one_of(
    st.builds(Ping, u32, st.just("") | names, **sources),
    st.builds(IndirectPing, u32, addresses, u16, names, st.booleans(), **sources),
    st.builds(Ack, u32, st.none() | st.binary(max_size=100)),
    st.builds(Nack, u32),
    st.builds(Suspect, u32, names, names),
    st.builds(Alive, u32, names, addresses, u16, metas, versions),
    st.builds(Dead, u32, names, names),
    st.builds(UserMessage, st.binary(max_size=200)),
)
node_states = st.builds(NodeState, names, addresses, u16, metas, u32, st.sampled_from(Status), versions)
push_pulls = st.builds(
    PushPull, st.lists(node_states, max_size=5).map(tuple), st.binary(max_size=300), st.booleans()
)
errors = st.builds(ErrorResponse, st.text(st.characters(codec="utf-8"), max_size=100))
stream_messages = st.one_of(
    push_pulls,
    errors,
    st.builds(Ping, u32, names, **sources),
    st.builds(Ack, u32, st.none()),
    st.builds(UserMessage, st.binary(max_size=300)),
)

labels = st.just(b"") | st.binary(min_size=1, max_size=255)


@st.composite
def mutated(draw: st.DrawFn, original: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with a few overwritten, cut off or put in."""
    data = bytearray(draw(original))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("overwrite", "cut", "insert"))):
            case "overwrite":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del data[at : at + draw(st.integers(1, 8))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(data)
