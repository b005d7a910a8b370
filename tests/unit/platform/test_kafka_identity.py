"""The identity that a fresh Kafka is given."""

import base64

from bus.platform import kafka


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    """Every id is 16 bytes in URL-safe base64 and begins with no hyphen: one in 64 random ones would."""
    ids = [kafka._cluster_id() for _ in range(2000)]
    assert not [one for one in ids if one.startswith("-")]
    assert {len(base64.urlsafe_b64decode(f"{one}==")) for one in ids} == {16}
