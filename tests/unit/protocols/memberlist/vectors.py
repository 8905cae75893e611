"""Bytes printed by Go's own code: hashicorp/memberlist (0.5 series) and compress/lzw of Go 1.26."""

from roost.protocols.memberlist.messages import (
    CURRENT_VERSIONS,
    Ack,
    Alive,
    Dead,
    ErrorResponse,
    IndirectPing,
    Message,
    Nack,
    NodeState,
    Ping,
    PushPull,
    Status,
    Suspect,
    Versions,
)

PING = Ping(42, "n2")
ALIVE = Alive(1, "n1", bytes((192, 0, 2, 11)), 7946, b"m", CURRENT_VERSIONS)
ALIVE_N3 = Alive(70000, "n3", bytes((192, 0, 2, 13)), 7946, b"m", CURRENT_VERSIONS)
PUSH_PULL = PushPull(
    (
        NodeState("n1", bytes((192, 0, 2, 11)), 7946, b"", 1, Status.ALIVE, CURRENT_VERSIONS),
        NodeState(
            "n2",
            bytes.fromhex("20010db8000000000000000000000002"),
            7946,
            b"\xff" * 300,
            70000,
            Status.LEFT,
            Versions(1, 5, 2, 2, 5, 4),
        ),
    ),
    b"u" * 200,
    join=True,
)

MESSAGES: tuple[tuple[Message, str], ...] = (
    (PING, "0082a44e6f6465a26e32a55365714e6f2a"),
    (
        Ping(70000, "n2", bytes((192, 0, 2, 11)), 7946, "n1"),
        "0085a44e6f6465a26e32a55365714e6fce00011170aa536f7572636541646472a4c000020baa536f757263654e6f6465"
        "a26e31aa536f75726365506f7274cd1f0a",
    ),
    (
        IndirectPing(43, bytes((192, 0, 2, 12)), 7946, "n2", nack=True),
        "0185a44e61636bc3a44e6f6465a26e32a4506f7274cd1f0aa55365714e6f2ba6546172676574a4c000020c",
    ),
    (Ack(42), "0282a75061796c6f6164c0a55365714e6f2a"),
    (Ack(42, b"ab"), "0282a75061796c6f6164a26162a55365714e6f2a"),
    (Nack(43), "0b81a55365714e6f2b"),
    (Suspect(7, "n2", "n1"), "0383a446726f6da26e31ab496e6361726e6174696f6e07a44e6f6465a26e32"),
    (
        ALIVE,
        "0486a441646472a4c000020bab496e6361726e6174696f6e01a44d657461a16da44e6f6465a26e31a4506f7274cd1f0a"
        "a356736ea6010502000000",
    ),
    (Dead(7, "n2", "n1"), "0583a446726f6da26e31ab496e6361726e6174696f6e07a44e6f6465a26e32"),
    (Dead(8, "n2", "n2"), "0583a446726f6da26e32ab496e6361726e6174696f6e08a44e6f6465a26e32"),
    (ErrorResponse("boom"), "0d81a54572726f72a4626f6f6d"),
    (
        # names of 32 bytes and more: raw 16, never str 8
        Suspect(4294967295, "n" * 40, "a-name-of-thirty-two-bytes-here!"),
        "0383a446726f6dda0020612d6e616d652d6f662d7468697274792d74776f2d62797465732d6865726521ab496e636172"
        "6e6174696f6eceffffffffa44e6f6465da00286e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e"
        "6e6e6e6e6e6e6e6e6e6e6e",
    ),
)

PUSH_PULL_HEADER = "0683a44a6f696ec3a54e6f64657302ac5573657253746174654c656e00"  # 2 nodes, no state, join
NODE_STATE = (
    "87a441646472a4c000020bab496e6361726e6174696f6e01a44d657461c0a44e616d65a26e31a4506f7274cd1f0aa553746174"
    "6500a356736ea6010502000000"
)
USER_HEADER = "0881aa557365724d73674c656e03"  # 3 bytes follow
USER_HEADER_130 = "0881aa557365724d73674c656ed10082"  # 130 bytes follow

COMPRESSED_PING = "0982a4416c676f00a3427566b500010822e5e40d9932a2dcc82835a54c9c822a0202"
COMPRESSED_TEXT = (  # "abcabcabd" 20 times
    "0982a4416c676f00a3427566da003400c388192390a0183205131e546810e140850e0d3664283022448a0b1f6ab4b811"
    "23c7891a414aace8b164489227338e54093120"
)
CRC_PING = "0c571c21810082a44e6f6465a26e32a55365714e6f2a"
LABELLED_PING = "f405726f6f73740082a44e6f6465a26e32a55365714e6f2a"  # "roost"

# key: ASCII 0123456789abcdef twice; bound to the label "roost"
ENCRYPTED_PING_V0 = (
    "0094ce3eb709d8f8f97efe6fe73615a3fd284bc2e1985fe33b700dbe58466f837fedf4f11257e6b587d4fd2ae86625e6"
    "d73aa6a613a2c1a6557d7f71c2"
)
ENCRYPTED_PING_V1 = (
    "01645ff88368e4eb9caa382a9217b590b788b0a210e2fd79db2e440c610606be3a03e5e66be8c500b69d614447fc"
)

COMPOUND = (  # PING, then ALIVE and ALIVE_N3 twice
    "07050011003b003f003b003f0082a44e6f6465a26e32a55365714e6f2a0486a441646472a4c000020bab496e6361726e"
    "6174696f6e01a44d657461a16da44e6f6465a26e31a4506f7274cd1f0aa356736ea60105020000000486a441646472a4"
    "c000020dab496e6361726e6174696f6ece00011170a44d657461a16da44e6f6465a26e33a4506f7274cd1f0aa356736e"
    "a60105020000000486a441646472a4c000020bab496e6361726e6174696f6e01a44d657461a16da44e6f6465a26e31a4"
    "506f7274cd1f0aa356736ea60105020000000486a441646472a4c000020dab496e6361726e6174696f6ece00011170a4"
    "4d657461a16da44e6f6465a26e33a4506f7274cd1f0aa356736ea6010502000000"
)
COMPRESSED_COMPOUND = (
    "0982a4416c676f00a3427566da00bf000f14001001c00e003f0c2204208894933764ca887223a3d49432711eaa206088"
    "54103264e490020640c0825549dc8c0923c74d183a69deb80940aa49193a6142b5710851a29b18a4a0bc9143a7d90705"
    "a3accc71632a40010100a272f408522449010d50aa64e912a64c670002448053f366ce9d0f234e9c117468d1a3499736"
    "7d1a15c0d48f2147963c997265cb97316796c5a993a7da9f6d891a45aa94a953a8523be2b55a326b5fae80bf861d3bf8"
    "ac619f6c852a86db782e64000101"
)
FULL_PACKET = (  # the same with checksum, key, label
    "f405726f6f737401ca018d81fccdc309f952e33496ecc5d8995b6b6feb8f11352efa036c417ebbc49dc7e57eab482afe"
    "48a4795e7dc36954e32716cff178857f21a3f654752d64f01b643aab2018e754cbf6a11abfa991b7670fee9efecdb50d"
    "38f8855701a8b2323d19b6acb9e2ade46f4ab94bd8d24c9fff06616cb970e5a0668b1f989db39b69aef7c2ae01c6940f"
    "5c263f6e92d834008ac22dd58977265964ffa8c9bd98c77fa8da466ed1a658f87d3809f9f6d75151e23e9a8bcf6196d9"
    "f0852cdc04ba0899be644145b4977a27b4c3a90703c8a4ed43dabd64dd43bd0fce3eb923b642ca2287401f950239bbdb"
    "36f7c5391131ba"
)
PUSH_PULL_GO = (  # lengths above 127 as Go writes its signed ints
    "0683a44a6f696ec3a54e6f64657302ac5573657253746174654c656ed100c887a441646472a4c000020bab496e636172"
    "6e6174696f6e01a44d657461c0a44e616d65a26e31a4506f7274cd1f0aa5537461746500a356736ea601050200000087"
    "a441646472b020010db8000000000000000000000002ab496e6361726e6174696f6ece00011170a44d657461da012cff"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffa44e616d65a26e32a4506f7274cd1f0aa5537461746503a356736ea6010502020504757575"
    "757575757575757575757575757575757575757575757575757575757575757575757575757575757575757575757575"
    "757575757575757575757575757575757575757575757575757575757575757575757575757575757575757575757575"
    "757575757575757575757575757575757575757575757575757575757575757575757575757575757575757575757575"
    "757575757575757575757575757575757575757575757575757575757575757575757575757575757575757575757575"
    "7575757575"
)
PUSH_PULL_COMPRESSED = (
    "0982a4416c676f00a3427566da00d3000d0c22a5e44d1a37c34a397943a6cc1c01acaacc2923670a9d3074ca3029e326"
    "1a00648748052143460e296000042c5895c4cd983072dc604cf3c64d00524dca5c0446ca4998366544b989410aca1b39"
    "749a7d5050ca22c63200465999e3c65480020200680d39b2242c10011ae0d24ab6ac56012c5dc2944987a61b67000244"
    "80835367186d0158fcdbcbb7afdfbf80030b1e4cb8b0e1c388132b5eccb8b1e3c79023f7fc19d48d8ca247932e6d7a31"
    "e300a954ad62155080409dd3a853ab5ecdbab5ebd7b063cb9e4dbbb6eddbb85f0704"
)
PUSH_PULL_SEALED = (  # the same with key; the label is not shown, but bound
    "0a000000ff01fc0395091dd04d295af28a1378bceeebba169c7f72b1bf98a18ec0314d64cd163ac5ab0150e231b092a3"
    "5c10178159bb3ee95c3cc928b2a3eaed702c72e2d135bd0178773763f80c219ad2a0a8bb8c576c0331bd1710f35d7d56"
    "ea54793df6707b7bb6b7257d724fb35005247760e1c35e0a34617d098b4335c5ec035b7d9cb6296c67e2a8bae01ba237"
    "22ece5ba495b686cde09496f7e60b81c1d8e1c92328106a5f7e259733bb1bcd73c396079ec6eabd63e43370b062ea3f6"
    "3ce8428b3c1fac993cb99f891ab1c74f519ba8e65982a45bffaf58f61b3097aa77ffbfbb2fd70d51a3b057f58f1c3077"
    "2102fab25510c0f65d669a9f47a5baaa4810e5e4"
)

LZW: tuple[tuple[bytes, str], ...] = (
    (b"", "000302"),
    (b"a", "00c30404"),
    (b"a" * 40, "00c3081c48b0a0c18308090604"),
)

# bytes of `noise` wanted, mask on each, SHA-256 of the compressed data: around each growth of the codes
LZW_DIGESTS: tuple[tuple[int, int, str], ...] = (
    (255, 0xFF, "577ad821cfb1c2255cc584a0263db04337135a94c0d45c4f04c28dcba3ce028e"),
    (255, 0xF, "be424aef0057d45a4b84027924a882569be124636e757044bd9dcdf211e893a2"),
    (255, 0x1, "04a6cb4bf2ae121ef8e44ab0cc21351899c588ad7ce11615aff8a254c5e0fa83"),
    (511, 0xFF, "444734f8ca8d1d3aeb50e8be89c19c7408589cbf29286ae84c93f4c37bbbfc7e"),
    (511, 0xF, "ed4595a784d3b15f7e63369e5155620e0f46cbd54eeb50d0157d5228cd55a425"),
    (511, 0x1, "e32df7d100528080a1a03cef622efe93b1b4d448960a8b3c6f78a89c1f4fc1fb"),
    (3837, 0xFF, "35799aad6d3c97ca73e0b8a342b5d7b0d6fe5bfadb4d93535d26f785852fb64a"),
    (3837, 0xF, "18916a8d5c9921e99604da77045f6b0f72b8a8b70f3e60f0d3759fcfc6db0271"),
    (3837, 0x1, "084d63d42b348a4a698493daae1ddc3830804cfc24e4b20d1a077d2f4d709772"),
    (3838, 0xFF, "1628bfff8ec9447ad79d05a14482ee47a7222a80767ace7c40781a7886648fc8"),
    (3838, 0xF, "8b7d46b3fb6ce77d6459dceaed9b03faf42124bd92a5c746f6a3c05bfe08d717"),
    (3838, 0x1, "288e32b2dcbbbacc591fbb18d80d2a6ad30c39212a14ad743d3305649c30e36a"),
    (3839, 0xFF, "694dc2edec8fae2f6154ac7955b3d208fbe9fc714f7a11d19544a072eb946591"),
    (3839, 0xF, "a7d81860864fe6a9f496a7014c7f8610daded011a57a5e13aad0bc95ea1d93bd"),
    (3839, 0x1, "dab9b151748e66ec8bad12df3c88d13cb8cafc47a5cd09d7f3fb8b0acc6c520a"),
    (20000, 0xFF, "a777aac29df15a922651dc478673f4c5c2f13761dd51672df2f35763e9e1cb27"),
    (20000, 0xF, "23e5efbc7ac9f38b3f3c80d451de48f7d20cf2fb5e8c5c44ea95a4fdeeae7482"),
    (20000, 0x1, "8391fb7fdf881c2bfe07f4db253cfd6d52f67aaf76b48eb51aabfb7ba30982e2"),
)


def noise(count: int, mask: int) -> bytes:
    """Return the bytes of a linear congruential generator that is easily rebuilt in Go."""
    state = 1
    output = bytearray()
    for _ in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFF_FFFF
        output.append(state >> 16 & mask)
    return bytes(output)
