from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.protocol.types import fold
from chalicelib.storage.keys import Ref

parts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=36)
refs = st.builds(
    Ref,
    st.sampled_from(["tariffs", "tokens"]),
    st.from_regex("[A-Za-z]{2}", fullmatch=True),
    st.from_regex("[A-Za-z0-9]{3}", fullmatch=True),
    parts,
    st.sampled_from(["", "RFID", "APP_USER"]),
)


@given(refs)
def test_a_ref_is_read_back_from_its_text(ref: Ref) -> None:
    assert Ref.parse(str(ref)) == ref


@given(refs, refs)
def test_two_refs_share_a_key_only_if_they_differ_in_case_alone(first: Ref, second: Ref) -> None:
    """Source: OCPI 2.2.1 types_cistring_type; TYP-01, OWN-02."""
    same = first.module == second.module and all(map(lambda a, b: fold(a) == fold(b), first[1:], second[1:]))

    assert (first.key == second.key) is same
    assert Ref(first.module, *(fold(part) for part in first[1:])).key == first.key
