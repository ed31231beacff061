"""Each kind is found in its forms, and what only looks like it is left alone; measured on a generated labelled set."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.privacy.checksums import luhn, mod_11_10, mod_97, verhoeff
from curation.privacy.finding import find_in
from curation.privacy.ibans import LENGTHS
from curation.privacy.secrets import PREFIXES, entropy
from curation.privacy.settings import KINDS, FindSettings
from tests.curation.privacy.labelled import labelled

FIND = FindSettings()


def found(text: str, settings: FindSettings = FIND) -> list[tuple[str, str]]:
    data = text.encode()
    return [(kind, data[start:end].decode()) for start, end, kind in find_in(text, settings)]


def test_recall_and_precision_of_every_kind_on_the_labelled_set():
    right, wanted, claimed = Counter(), Counter(), Counter()
    for text, labels in labelled(2_500, seed=20_260):
        spans = set(find_in(text, FIND))
        right.update(kind for _, _, kind in spans & set(labels))
        wanted.update(kind for _, _, kind in labels)
        claimed.update(kind for _, _, kind in spans)
    figures = {kind: (right[kind] / wanted[kind], right[kind] / claimed[kind]) for kind in KINDS}
    assert min(wanted.values()) > 300
    assert all(recall >= 0.97 and precision >= 0.97 for recall, precision in figures.values()), figures


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jürgen: jürgen.müller@büro.example.de!", ["jürgen.müller@büro.example.de"]),
        ("联系test@example.com谢谢", ["test@example.com"]),
        ("<a@b.org>,c@d.org;mailto:e@f.org?subject=x", ["a@b.org", "c@d.org", "e@f.org"]),
        ("bounce-ann=example.org@lists.example.net", ["bounce-ann=example.org@lists.example.net"]),
        ("user=ann@example.org", ["ann@example.org"]),
        ("ann [at] example [dot] org, bob (at) example.org", ["ann [at] example [dot] org", "bob (at) example.org"]),
        ("wait...ann@example.org.", ["ann@example.org"]),
        ("x" * 65 + "@example.org", []),
        ("logo@2x.png a@b @c.org d@ e@f.1 git@host.org:a/b.git ann.@example.org a@b_c.org", []),
    ],
)
def test_email(text, expected):
    assert found(text) == [("email", value) for value in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+49 30 1234567, +442079460958", ["+49 30 1234567", "+442079460958"]),
        ("+44 (0)20 7946 0958", ["+44 (0)20 7946 0958"]),
        ("0033 1 42 68 53 00", ["0033 1 42 68 53 00"]),
        ("(212) 555-2368 or 212.555.2368", ["(212) 555-2368", "212.555.2368"]),
        ("(030) 1234567 und 030/12345678 0171 1234567", ["(030) 1234567", "030/12345678", "0171 1234567"]),
        ("Tel. 2125552368; móvil: 612 34 51 96 (tel 06 12 34 56 78)", ["2125552368", "612 34 51 96", "06 12 34 56 78"]),
        (
            "1(800) 827-5722, 1- (240) 371-0672; id 5581 (775) 322-3323",
            ["1(800) 827-5722", "1- (240) 371-0672", "(775) 322-3323"],
        ),
        ("1 22 333 (212) 555-2368 44 212-555-2369 5", ["(212) 555-2368", "212-555-2369"]),
        ("2125552368, 612 34 51 96", []),
        ("order 0171 1234567, part 212-555-2368", []),
        ("01.02.2024 10.30, 2024-01-15, 12+4930123456, 3.0171 1234567", []),
        ("http://x.org/0171/1234567 $0171 1234567 0171 1234567%", []),
    ],
)
def test_phone(text, expected):
    assert found(text) == [("phone", value) for value in expected]


def test_national_forms_are_those_of_the_regions_that_are_named():
    assert found("tel 0171 1234567", FindSettings(phone_regions=("US",))) == []
    assert found("+49 171 1234567", FindSettings(phone_regions=())) == [("phone", "+49 171 1234567")]
    assert found("DNI 12345678Z", FindSettings(national_ids=("US",))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 81.2.69.142:8080, http://81.2.69.143/x [81.2.69.144]", ["81.2.69.142", "81.2.69.143", "81.2.69.144"]),
        ("2a00:1450:4001:81b::200e. [2001:4860:4860::8888]:53", ["2a00:1450:4001:81b::200e", "2001:4860:4860::8888"]),
        ("server 8.8.8.8", ["8.8.8.8"]),
        (
            "see 8.8.8.8 and 1.2.3.4; version 10.20.30.40, v8.20.30.40, tool-8.20.30.40, 8.20.30.40-rc1 8.20.30.40.tar",
            [],
        ),
        ("10.0.0.1 192.168.1.20 127.0.0.1 169.254.1.10 224.10.10.10 192.0.2.17 255.255.255.0 300.1.1.10", []),
        ("::1 fe80::1ff:fe23:4567:890a 2001:db8::10 std::add a::b 12:30:45 aa:bb:cc:dd:ee:ff", []),
        ("81.2.69.142.in-addr.arpa 81.2.69.0142 081.2.69.142", []),
    ],
)
def test_ip(text, expected):
    assert found(text) == [("ip", value) for value in expected]


@pytest.mark.parametrize(
    "value",
    [
        "DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "FR14 2004 1010 0505 0001 3M02 606", "NO93 8601 1117 947",
        "MT84 MALT 0110 0001 2345 MTLC AST0 01S", "es91-2100-0418-4502-0005-1332", "CH93 0076 2011 6238 5295 7",
    ],
)  # fmt: skip
def test_iban(value):
    assert found(f"IBAN {value} BIC X") == [("iban", value)]
    wrong = value[:-1] + ("1" if value[-1] != "1" else "2")
    assert found(f"IBAN {wrong} BIC X") == []


def test_ibans_are_as_long_as_their_country_says():
    assert LENGTHS[b"DE"] == 22 and LENGTHS[b"NO"] == 15 and LENGTHS[b"MT"] == 31 and len(LENGTHS) > 80


@pytest.mark.parametrize(
    "value",
    ["4111 1111 1111 1111", "4111111111111111", "5500-0000-0000-0004", "378282246310005", "3782 822463 10005", "6011000990139424", "3530111333300000", "3056 930902 5904"],
)  # fmt: skip
def test_credit_card(value):
    assert found(f"Pay with {value}, please.") == [("credit_card", value)]
    assert found(f"order {value}") == []
    assert [kind for kind, _ in found(f"Pay with {value[:-1]}{(int(value[-1]) + 1) % 10}, please.")] == []


@pytest.mark.parametrize(
    "text",
    [
        "{123-45-6780}", "SSN {123 45 6780}", "SSN {123456780}", "{AB 12 34 56 C}", "{AB123456C}", "{86 095 742 719}",
        "{86095742719}", "{12345678Z}", "{12.345.678-Z}", "{X1234567L}", "{1 85 05 78 006 084 91}", "{RSSMRA85T10A562S}",
        "BSN {111222333}", "PESEL {44051401359}", "{111.444.777-35}", "CPF {11144477735}", "{85.07.30-033.28}",
        "{811228-9874}", "{19811228-9874}", "{756.9217.0769.85}", "{11010519491231002X}", "aadhaar {2341 2341 2346}",
        "SIN {046 454 286}".replace("046 454 286", "130 692 544"),
    ],
)  # fmt: skip
def test_national_id(text):
    value = re.search(r"{(.+)}", text)[1]
    assert found(text.replace("{", "").replace("}", "") + ".") == [("national_id", value)]


def test_ids_that_cannot_be_are_none():
    for text in ("000-12-3456", "666-12-3456", "923-45-6789", "123-00-6789", "078-05-1120", "GB 12 34 56 C", "12345678A",
                 "111222333", "PESEL 44051401358", "CPF 11111111111", "756.9217.0769.84", "order 123-45-6780", "X1234567A"):  # fmt: skip
        assert found(text) == [], text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password = 'hunter2'", ["hunter2"]),
        ("API_KEY=d41d8cd98f00b204e9800998ecf8427e", ["d41d8cd98f00b204e9800998ecf8427e"]),
        ("postgres://bob:s3cr3tpw@db.example.com/x", ["s3cr3tpw"]),
        ("bot 123456789:AAF" + "a1B2" * 8 + " is", ["123456789:AAF" + "a1B2" * 8]),
        ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nabc=\n-----END EC PRIVATE KEY-----\nx", ["-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nabc=\n-----END EC PRIVATE KEY-----"]),
        ('"-----BEGIN PRIVATE KEY-----\\nMHcCAQEE\\n"', ["-----BEGIN PRIVATE KEY-----\\nMHcCAQEE\\n"]),
        ("password: str; token = get_token(); api_key = os.environ['X']; secret: ${SECRET}; pwd=<SECRET_1>", []),
        ("-----BEGIN PUBLIC KEY-----\nMHcCAQEE\n-----END PUBLIC KEY-----", []),
        ("eyJhbGci.eyJzdWIi.x ghp_short AKIA123 https://joe@example-host/ sk-" + "word" * 10, []),
    ],
)  # fmt: skip
def test_secret(text, expected):
    assert found(text) == [("secret", value) for value in expected]


def test_prefixes_are_three_bytes_and_differ():
    assert {len(prefix) for prefix in PREFIXES} == {3} and len(set(PREFIXES)) == len(PREFIXES)
    assert entropy(b"aaaa") == 0 and entropy(b"abcd") == 2


# --- slow and plain ---------------------------------------------------------------------------------------------------


@given(st.text("0123456789", min_size=2, max_size=20))
def test_luhn_agrees_with_its_definition(said):
    total = sum(sum(map(int, str(int(digit) * (1 + place % 2)))) for place, digit in enumerate(reversed(said)))
    assert luhn([int(digit) for digit in said]) == (total % 10 == 0)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=14), st.data())
def test_one_wrong_digit_is_always_noticed(body, data):
    for valid in (luhn, mod_11_10, verhoeff):
        right = next(([*body, last] for last in range(10) if valid([*body, last])), None)
        assert right is not None
        place, other = data.draw(st.integers(0, len(body))), data.draw(st.integers(1, 9))
        assert not valid([*right[:place], (right[place] + other) % 10, *right[place + 1 :]])


def test_known_check_digits():
    assert verhoeff([int(digit) for digit in "2363"]) and not verhoeff([2, 3, 6, 4])
    assert mod_97("GB82WEST12345698765432") and mod_11_10([int(digit) for digit in "86095742719"])


def _ipv4(text: str) -> list[str]:
    """All runs of digits and dots that are a public address; plainly, with the words and signs about them left aside.

    Two dots end an address, for it is a sentence or a list that goes on there.
    """
    public = []
    for whole in re.findall(r"(?<![\w.])[0-9.]+(?!\w)", text):
        run = whole.partition("..")[0]
        try:
            address = ipaddress.IPv4Address(run.rstrip("."))
        except ValueError:
            continue
        if address.is_global and not address.is_multicast and not address.is_reserved and len(run.rstrip(".")) > 7:
            public.append(run.rstrip("."))
    return public


@example(["8.", "2.69", ".142", ".", ".142"])
@given(
    st.lists(
        st.sampled_from(["8.", "81", ".", "2.69", ".142", "1", "255", "256", " ", " x ", "10.", "0", ", "]), max_size=24
    )
)
def test_ipv4_agrees_with_a_plain_reading(pieces):
    text = "".join(pieces)
    plain = _ipv4(text)
    assert [value for kind, value in found(text) if kind == "ip"] == plain


_PLAIN_EMAIL = re.compile(r"(?<![\w.@-])[a-z0-9]+(?:[.-][a-z0-9]+)*@(?:[a-z0-9]+\.)+[a-z]{2,3}(?![\w@-])(?!\.\w)")


@given(st.lists(st.sampled_from(["ann", "b", "@", ".", "org", "x1", " ", ", ", "de", "@ex.org", "é "]), max_size=20))
def test_email_agrees_with_a_plain_pattern(pieces):
    text = "".join(pieces)
    values = [value for kind, value in found(text) if kind == "email"]
    assert set(_PLAIN_EMAIL.findall(text)) <= set(values)
    assert all(re.fullmatch(r"[\w.]+@(?:\w+\.)+[^\W\d_]{2,}", value) and value in text for value in values)
