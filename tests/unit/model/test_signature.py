"""What the signature of a fact is over: one spelling, for every release and machine."""

from dataclasses import replace

import pytest

from bus.model.fact import Fact, FactKind
from bus.model.signature import PublicKey, Role, SigningKey, signed_bytes

KEY = SigningKey.of(bytes(range(32)), key="k1", holder="Nguyễn An", agency="bank", role=next(iter(Role)))
FACT = Fact(FactKind.AGREEMENT, "a-to-b", "approved", {"b": [1, None], "a": {"ú": True}}, "x", 'vì "luật"', 1_700, None)


def test_a_signature_of_before_holds() -> None:
    """A fact that was signed once is verified by every later release: not a byte of what is signed may change."""
    signed = KEY.sign(FACT, "bus-1")
    spelt = (
        '["bus-1","agreement","a-to-b","approved",{"a":{"ú":true},"b":[1,null]},"Nguyễn An","vì \\"luật\\"",1700,"k1"]'
    )
    assert signed_bytes(signed, "bus-1") == b"bus.fact.1\n" + spelt.encode()
    assert KEY.public.signed(replace(signed, body={"a": {"ú": True}, "b": [1, None]}), "bus-1")
    assert not KEY.public.signed(signed, "bus-2")
    assert not KEY.public.signed(replace(signed, signature=None), "bus-1")
    assert PublicKey.of(KEY.public.body()) == KEY.public


@pytest.mark.parametrize("public", ["", "00" * 31, "00" * 33])
def test_a_public_key_of_another_length(public: str) -> None:
    """What is no key is refused where it is registered, and not where a fact is to be verified by it."""
    with pytest.raises(ValueError, match="32 bytes"):
        PublicKey.of(KEY.public.body() | {"public": public})
