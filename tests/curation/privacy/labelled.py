"""A labelled set: sentences with personal data of every kind in many forms, among what only looks like it."""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable
from functools import cache

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

Label = tuple[int, int, str]
"""Start and end in UTF-8 bytes, and kind."""

PROSE = """The committee met on a grey morning and agreed that the bridge should be mended before winter.
Nous avons lu le rapport et nous en parlerons demain avec les autres membres du bureau.
Das Haus steht am Rand des Dorfes, und von seinem Garten sieht man bis zu den Bergen.
El tren salió con retraso, pero llegamos a tiempo para la cena con nuestros amigos.
Nobody had expected the harvest to be so large; the barns were full by the end of the month.
Она открыла окно и долго смотрела на пустую улицу, где не было ни души.
会議は午後から始まり、夜遅くまで続きました。
Το πλοίο έφυγε το πρωί και γύρισε πριν από τη δύση του ήλιου.
For x in range(len(rows)) the sum is kept in a register, and only then written back to memory.
La nave è partita ieri sera e tornerà soltanto alla fine della settimana.""".splitlines()


def digits(r: random.Random, count: int, first: str = string.digits) -> str:
    return r.choice(first) + "".join(r.choice(string.digits) for _ in range(count - 1))


def letters(r: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(r.choice(alphabet) for _ in range(count))


def luhn_digit(body: str) -> str:
    """By the definition: every second digit from the right doubled, and the digits of that added."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += sum(map(int, str(value)))
    return str(-total % 10)


# --- what there is to find -------------------------------------------------------------------------------------------


def email(r: random.Random) -> tuple[str, str]:
    name = r.choice(
        ["ann.lee", "bob", "j_smith", "maria-garcia", "x", "o'neil", "info", "jürgen", "ivan.petrov", "a.b.c"]
    )
    name += r.choice(["", "", str(r.randint(1, 9999)), "+news"])
    host = r.choice(
        ["example.org", "mail.example.co.uk", "müller.de", "sub.domain-with-dash.com", "x.io", "uni.museum"]
    )
    said = f"{name}@{host}"
    if r.random() < 0.1:
        return r.choice([f"{name} [at] {host}", f"{name}(at){host}"]), "write to {} soon"
    said = r.choice([said, said, said, said.upper() if said.isascii() else said])
    frames = [
        "Write to {}.",
        "<{}>",
        "mailto:{}",
        "({})",
        "“{}”",
        "contact: {}, or not",
        "email={}&x=1",
        "«{}»",
        "在{}联系",
    ]
    return said, r.choice([*frames, "{}", "{}: hello", "**{}**", '"{}"', "{};{{other}}".replace("{{other}}", "then")])


@cache
def _examples() -> list[tuple[str, str]]:
    found = []
    for region in ("US", "GB", "DE", "FR", "ES", "IT", "NL"):
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            found.append((region, str(phonenumbers.example_number_for_type(region, kind).national_number)))
    return found


def phone(r: random.Random) -> tuple[str, str]:
    """A valid number in one of the forms of its country."""
    while True:
        region, national = r.choice(_examples())
        changed = national[:-4] + digits(r, 4)
        code = phonenumbers.country_code_for_region(region)
        leading = (
            "0"
            if region == "IT"
            and national == str(phonenumbers.example_number_for_type("IT", PhoneNumberType.FIXED_LINE).national_number)
            else ""
        )
        number = phonenumbers.parse(f"+{code}{leading}{changed}")
        if phonenumbers.is_valid_number(number):
            break
    form = r.choice([PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL])
    said = phonenumbers.format_number(number, form)
    if form == PhoneNumberFormat.INTERNATIONAL:
        said = r.choice(
            [said, said.replace(" ", "-"), said.replace(" ", "."), said.replace("+", "00"), said.replace(" ", "\u00a0")]
        )
    if region == "US" and form == PhoneNumberFormat.NATIONAL:
        said = r.choice(
            [
                said,
                said.replace("(", "").replace(") ", "-"),
                said.replace("(", "").replace(") ", ".").replace("-", "."),
                "1-" + said.replace("(", "").replace(") ", "-"),
            ]
        )
    named = [
        "Tel. {}",
        "call {} today",
        "phone: {}",
        "Téléphone {}",
        "Telefon: {}",
        "mobile {}",
        "fax ({})",
        "teléfono {}",
    ]
    bare = ["{}", "{}, after six", "we met; {}"]
    needs_word = form == PhoneNumberFormat.NATIONAL and (region == "ES" or (region == "IT" and not leading))
    return said, r.choice(named if needs_word or r.random() < 0.7 else bare)


def ip(r: random.Random) -> tuple[str, str]:
    if r.random() < 0.35:
        groups = [f"{r.choice(['2001', '2a02', '2600', '2003'])}", *(f"{r.randint(256, 65535):x}" for _ in range(7))]
        said = ":".join(groups)
        said = r.choice([said, said.upper(), ":".join(groups[:4]) + "::" + groups[7], ":".join(groups[:3]) + "::1"])
        if said.lower().startswith("2001:") and int(groups[1], 16) < 0x0200:
            return ip(r)
        return said, r.choice(["from {}.", "[{}]", "host {} answered", "{}", "addr={}"])
    first = r.choice([5, 8, 23, 45, 62, 81, 93, 109, 141, 151, 178, 193, 212, 217])
    said = f"{first}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(10, 254)}"
    return said, r.choice(
        ["from {}.", "[{}]", "IP {}", "http://{}/x", "{}:8080", "{}, twice", "client: {}", "({})", "{} - - [GET]"]
    )


IBAN_BODIES = {
    "DE": (18, "n"), "GB": (18, "4a"), "FR": (23, "n"), "NL": (14, "4a"), "ES": (20, "n"), "IT": (23, "1a"),
    "BE": (12, "n"), "CH": (17, "n"), "AT": (16, "n"), "PL": (24, "n"), "NO": (11, "n"), "SE": (20, "n"), "MT": (27, "4a"),
}  # fmt: skip


def iban(r: random.Random) -> tuple[str, str]:
    country = r.choice(list(IBAN_BODIES))
    length, form = IBAN_BODIES[country]
    lead = int(form[:-1] or 0)
    body = letters(r, lead, string.ascii_uppercase) + digits(r, length - lead)
    number = int("".join(str(int(sign, 36)) for sign in body + country + "00"))
    said = f"{country}{98 - number % 97:02d}{body}"
    groups = " ".join(said[i : i + 4] for i in range(0, len(said), 4))
    said = r.choice([said, groups, groups, groups.replace(" ", "-"), groups.replace(" ", "\u00a0"), said.lower()])
    return said, r.choice(["IBAN: {}", "IBAN {} BIC", "pay to {}.", "{}", "({})", "account {}, please", "au compte {}"])


def card(r: random.Random) -> tuple[str, str]:
    prefix, length = r.choice(
        [("4", 16), ("51", 16), ("2345", 16), ("34", 15), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14)]
    )
    body = prefix + digits(r, length - 1 - len(prefix))
    said = body + luhn_digit(body)
    if length == 16 and r.random() < 0.7:
        said = r.choice([" ", "-", "\u00a0"]).join(said[i : i + 4] for i in range(0, 16, 4))
    elif length == 15 and r.random() < 0.7:
        said = r.choice([" ", "-"]).join([said[:4], said[4:10], said[10:]])
    elif length == 14 and r.random() < 0.7:
        said = " ".join([said[:4], said[4:10], said[10:]])
    return said, r.choice(
        ["card {}", "Visa: {}, exp 04/27", "{}", "charged to {}.", "Karte {}", "cc={}", "({})", "number {} was used"]
    )


def with_check(body: str, valid: Callable[[str], bool], signs: str) -> str:
    return next((body + sign for sign in signs if valid(body + sign)), "")


def pesel(r: random.Random) -> str:
    body = f"{r.randint(40, 99):02d}{r.randint(1, 12):02d}{r.randint(1, 28):02d}{digits(r, 4)}"
    return body + str(-sum(int(d) * w for d, w in zip(body, (1, 3, 7, 9) * 3, strict=False)) % 10)


def cpf(r: random.Random) -> str:
    body = digits(r, 9)
    for _ in range(2):
        total = sum(int(d) * w for d, w in zip(body, range(len(body) + 1, 1, -1), strict=True))
        body += str(total * 10 % 11 % 10)
    return body


def bsn(r: random.Random) -> str:
    while True:
        said = digits(r, 9, "123456789")
        if (sum(int(d) * w for d, w in zip(said, range(9, 1, -1), strict=False)) - int(said[8])) % 11 == 0:
            return said


def tax_id(r: random.Random) -> str:
    first = r.sample(string.digits, 9)
    first.insert(r.randint(0, 9), r.choice(first))
    body = "".join(first)
    if body[0] == "0":
        return tax_id(r)
    product = 10
    for digit in body:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return body + str((11 - product) % 10)


def codice(r: random.Random) -> str:
    body = (
        letters(r, 6, "BCDFGLMNPRST")
        + f"{r.randint(0, 99):02d}"
        + r.choice("ABCDEHLMPRST")
        + f"{r.randint(1, 31):02d}"
        + r.choice("ABCDEFGHIL")
        + digits(r, 3)
    )
    odd = dict(
        zip(
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            [
                1,
                0,
                5,
                7,
                9,
                13,
                15,
                17,
                19,
                21,
                1,
                0,
                5,
                7,
                9,
                13,
                15,
                17,
                19,
                21,
                2,
                4,
                18,
                20,
                11,
                3,
                6,
                8,
                12,
                14,
                16,
                10,
                22,
                25,
                24,
                23,
            ],
            strict=True,
        )
    )
    even = {sign: int(sign) if sign.isdigit() else ord(sign) - 65 for sign in odd}
    total = sum(odd[sign] for sign in body[::2]) + sum(even[sign] for sign in body[1::2])
    return body + chr(65 + total % 26)


def resident(r: random.Random) -> str:
    body = (
        digits(r, 6, "123456") + f"{r.randint(1940, 2010)}{r.randint(1, 12):02d}{r.randint(1, 28):02d}" + digits(r, 3)
    )
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def national_id(r: random.Random) -> tuple[str, str]:
    country = r.choice(["US", "GB", "DE", "ES", "FR", "IT", "NL", "PL", "BR", "BE", "SE", "CH", "CN", "CA"])
    if country == "US":
        said = f"{r.randint(1, 665):03d}-{r.randint(1, 99):02d}-{r.randint(1, 9999):04d}"
        return said, r.choice(["SSN {}", "social security number: {}", "{}", "his number is {}."])
    if country == "GB":
        said = r.choice(["AB", "CE", "JK", "PX", "WM"]) + digits(r, 6) + r.choice("ABCD")
        said = r.choice([said, f"{said[:2]} {said[2:4]} {said[4:6]} {said[6:8]} {said[8]}"])
        return said, r.choice(["NI number {}", "national insurance: {}", "{}"])
    if country == "DE":
        said = tax_id(r)
        return r.choice([said, f"{said[:2]} {said[2:5]} {said[5:8]} {said[8:]}"]), r.choice(
            ["Steuer-ID {}", "IdNr. {}", "{}", "tax ID: {}"]
        )
    if country == "ES":
        number = digits(r, 8)
        said = number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]
        return r.choice([said, f"{said[:8]}-{said[8]}", f"{said[:2]}.{said[2:5]}.{said[5:8]}-{said[8]}"]), r.choice(
            ["DNI {}", "con DNI: {}.", "{}"]
        )
    if country == "FR":
        body = (
            r.choice("12")
            + f"{r.randint(0, 99):02d}{r.randint(1, 12):02d}{r.randint(1, 95):02d}{r.randint(1, 990):03d}{r.randint(1, 999):03d}"
        )
        said = body + f"{97 - int(body) % 97:02d}"
        return r.choice(
            [said, f"{said[0]} {said[1:3]} {said[3:5]} {said[5:7]} {said[7:10]} {said[10:13]} {said[13:]}"]
        ), r.choice(["n° de sécurité sociale {}", "NIR : {}", "{}"])
    if country == "IT":
        return r.choice([codice(r), codice(r).lower()]), r.choice(["codice fiscale {}", "C.F. {}", "{}", "({})"])
    if country == "NL":
        return bsn(r), r.choice(["BSN {}", "burgerservicenummer: {}", "BSN-nummer {}."])
    if country == "PL":
        return pesel(r), r.choice(["PESEL {}", "PESEL: {}", "nr PESEL {}."])
    if country == "BR":
        said = cpf(r)
        return (
            (said, "CPF {}")
            if r.random() < 0.3
            else (f"{said[:3]}.{said[3:6]}.{said[6:9]}-{said[9:]}", r.choice(["CPF {}", "{}", "CPF: {}."]))
        )
    if country == "BE":
        head = f"{r.randint(40, 99)}{r.randint(1, 12):02d}{r.randint(1, 28):02d}{digits(r, 3)}"
        said = head + f"{97 - int(head) % 97:02d}"
        return f"{said[:2]}.{said[2:4]}.{said[4:6]}-{said[6:9]}.{said[9:]}", r.choice(
            ["rijksregisternummer {}", "{}", "NISS {}"]
        )
    if country == "SE":
        body = f"{r.randint(40, 99)}{r.randint(1, 12):02d}{r.randint(1, 28):02d}{digits(r, 3)}"
        said = body + luhn_digit(body)
        return r.choice(["", "19"]) + f"{said[:6]}-{said[6:]}", r.choice(["personnummer {}", "{}", "född {}"])
    if country == "CH":
        body = "756" + digits(r, 9)
        said = body + str(-sum(int(d) * w for d, w in zip(body, (1, 3) * 6, strict=True)) % 10)
        return f"{said[:3]}.{said[3:7]}.{said[7:11]}.{said[11:]}", r.choice(["AHV-Nr. {}", "{}", "AVS {}"])
    if country == "CN":
        return resident(r), r.choice(["身份证号{}", "ID card {}", "{}"])
    body = digits(r, 8, "12345679")
    said = body + luhn_digit(body)
    return r.choice([" ", "-", ""]).join([said[:3], said[3:6], said[6:]]), r.choice(
        ["SIN {}", "social insurance number: {}"]
    )


def secret(r: random.Random) -> tuple[str, str]:
    upper, hexa = string.ascii_uppercase + string.digits, "0123456789abcdef"
    url = string.ascii_letters + string.digits + "-_"
    claims = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": letters(r, 12)})
    ]
    key = "\n".join(letters(r, 64) for _ in range(3))
    keys = [
        "AKIA" + letters(r, 16, upper), "ghp_" + letters(r, 36), "github_pat_" + letters(r, 60), "glpat-" + letters(r, 20),
        f"xoxb-{digits(r, 12)}-{digits(r, 12)}-{letters(r, 24)}", "sk_live_" + letters(r, 24), "AIza" + letters(r, 35, url),
        f"SG.{letters(r, 22)}.{letters(r, 43)}", "npm_" + letters(r, 36), "hf_" + letters(r, 34),
        ".".join([*claims, letters(r, 43)]), "sk-proj-" + letters(r, 48) + "A1", "pypi-AgEIcHlwaS5vcmc" + letters(r, 70, url),
        f"-----BEGIN RSA PRIVATE KEY-----\n{key}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----",
        f"hooks.slack.com/services/T{letters(r, 9, upper)}/B{letters(r, 9, upper)}/{letters(r, 24)}",
    ]  # fmt: skip
    if r.random() < 0.55:
        said = r.choice(keys)
        lead = "https://" if said.startswith("hooks") else ""
        return said, r.choice(
            [lead + "{}", f'key = "{lead}{{}}"', f"use {lead}{{}} for it", f"({lead}{{}})", f"TOKEN={lead}{{}}"]
        )
    if r.random() < 0.4:
        return letters(r, 3) + r.choice("!?-_") + digits(r, 3) + letters(r, 4), r.choice(
            [
                "postgres://app:{}@db.example.com/x",
                "https://joe:{}@host.example.org",
                "mongodb+srv://u:{}@c.example.net",
            ]
        )
    frames = [
        'api_key = "{}"',
        "API_KEY={}",
        'secret: "{}"',
        "client_secret: {}",
        '"access_token": "{}"',
        "auth_token='{}'",
        "aws_secret_access_key = {}",
    ]
    if r.random() < 0.5:
        return letters(r, 10) + "!" + digits(r, 2), r.choice(
            ['password = "{}"', "password: {}", "PASSWORD='{}'", '"pwd": "{}"', "db_password={}"]
        )
    return r.choice([letters(r, 40), letters(r, 32, hexa), letters(r, 24)]), r.choice(frames)


ENTITIES: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "email": email, "phone": phone, "ip": ip, "iban": iban, "credit_card": card, "national_id": national_id, "secret": secret,
}  # fmt: skip


# --- what only looks like it -----------------------------------------------------------------------------------------


def isbn13(r: random.Random) -> str:
    body = "978" + digits(r, 9)
    said = body + str(-sum(int(d) * w for d, w in zip(body, (1, 3) * 6, strict=True)) % 10)
    return r.choice([said, f"{said[:3]}-{said[3]}-{said[4:6]}-{said[6:12]}-{said[12]}"])


def isbn10(r: random.Random) -> str:
    body = digits(r, 9, "0123")
    check = -sum(int(d) * w for d, w in zip(body, range(10, 1, -1), strict=True)) % 11
    return f"{body[0]}-{body[1:4]}-{body[4:]}-{'X' if check == 10 else check}"


def negative(r: random.Random) -> str:
    """A sentence without personal data that has something alike."""
    hexa = "0123456789abcdef"
    kinds: list[Callable[[], str]] = [
        lambda: f"version {r.randint(0, 30)}.{r.randint(0, 99)}.{r.randint(0, 99)}.{r.randint(0, 254)} was released",
        lambda: f"tool-{r.randint(1, 30)}.{r.randint(0, 9)}.{r.randint(0, 9)}.{r.randint(0, 99)}.tar.gz",
        lambda: f"see section {r.randint(1, 9)}.{r.randint(1, 9)}.{r.randint(1, 9)}.{r.randint(1, 9)} below",
        lambda: f"on {r.randint(1990, 2030)}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d} {r.randint(0, 23):02d}:{r.randint(0, 59):02d}",
        lambda: f"am {r.randint(1, 28):02d}.{r.randint(1, 12):02d}.{r.randint(1990, 2030)} um {r.randint(0, 23):02d}.{r.randint(0, 59):02d} Uhr",
        lambda: f"{r.randint(1, 12):02d}/{r.randint(1, 28):02d}/{r.randint(1990, 2030)}-{r.randint(1, 12):02d}/{r.randint(1, 28):02d}/{r.randint(1990, 2030)}",
        lambda: f"ISBN {isbn13(r)}", lambda: f"ISBN-10: {isbn10(r)}", lambda: f"the book {isbn13(r)} is out of print",
        lambda: f"order {digits(r, r.choice([8, 9, 10, 11, 12, 16]))} was shipped",
        lambda: f"invoice no. {digits(r, 3)}-{digits(r, 2)}-{digits(r, 4)}",
        lambda: f"part number {digits(r, 3)}-{digits(r, 3)}-{digits(r, 4)}",
        lambda: f"ticket #{digits(r, 10)}", lambda: f"model {letters(r, 2, string.ascii_uppercase)}{digits(r, 6)}{r.choice('ABCD')}",
        lambda: f"commit {letters(r, 40, hexa)}", lambda: f"md5 {letters(r, 32, hexa)} of the file",
        lambda: f"{uuid.UUID(int=r.getrandbits(128), version=4)} is its name", lambda: f"sha256:{letters(r, 64, hexa)}",
        lambda: f"pi is {r.random():.15f} or so", lambda: f"{r.uniform(-90, 90):.6f}, {r.uniform(-180, 180):.6f}",
        lambda: f"a total of {r.randint(10**9, 10**10):,} and {r.randint(10**6, 10**9):,}".replace(",", r.choice([",", " ", "."])),
        lambda: f"at {r.randint(0, 23):02d}:{r.randint(0, 59):02d}:{r.randint(0, 59):02d} it rained",
        lambda: ":".join(letters(r, 2, hexa) for _ in range(6)) + " is the card's address",
        lambda: r.choice(["std::add(a::b, fe::c)", "Foo::Bar::baz()", "x :: Int -> Int", "a[::2]", "ns::abc::def::dead"]),
        lambda: r.choice(["npm i lodash@4.17.21", "logo@2x.png", "@someone said", "git@github.com:a/b.git", "foo@bar", "@media (max)", "a @ b"]),
        lambda: f"{r.choice(['192.168', '10.0', '172.16', '127.0'])}.{r.randint(0, 255)}.{r.randint(0, 255)} answers",
        lambda: r.choice(["::1", "fe80::1ff:fe23:4567:890a", "2001:db8::1", "192.0.2.17", "0.0.0.0", "255.255.255.0"]) + " is not public",
        lambda: f"the count was {wrong_card(r)}", lambda: f"no account: DE00{digits(r, 18)}",
        lambda: r.choice(["password: str", "password = get_password()", "token = os.environ['TOKEN']", "secret: required", "api_key=YOUR_API_KEY", "password: <hidden>", 'password = "changeme"', "key: value", "the token is a word", "primary_key=True", "Password: 12 signs at least"]),
        lambda: f"rows {r.randint(10**5, 10**6)} {r.randint(10**5, 10**6)} {r.randint(10**5, 10**6)}",
        lambda: f"{digits(r, 6)}, {digits(r, 7)}; {digits(r, 8)}", lambda: f"$ {r.randint(10**6, 10**8)}.{r.randint(10, 99)} in all",
        lambda: f"-{r.choice(['0400', '0800', '0530'])} {r.randint(1, 12)}/{r.randint(1, 28)}/{r.randint(10, 30)}",
        lambda: f"https://example.org/{r.randint(2000, 2030)}/{digits(r, 10)}/x-{digits(r, 11)}.html",
        lambda: f"score {r.randint(0, 200)}-{r.randint(10, 99)}, {r.randint(0, 200)}-{r.randint(10, 99)}",
    ]  # fmt: skip
    return r.choice(kinds)()


def wrong_card(r: random.Random) -> str:
    body = digits(r, 15, "45")
    wrong = str((int(luhn_digit(body)) + r.randint(1, 9)) % 10)
    return r.choice([" ", ""]).join((body + wrong)[i : i + 4] for i in range(0, 16, 4))


def document(r: random.Random) -> tuple[str, list[Label]]:
    """Some sentences, about as many with something to find as with something alike."""
    pieces: list[str] = []
    labels: list[Label] = []
    at = 0

    def say(text: str) -> None:
        nonlocal at
        pieces.append(text)
        at += len(text.encode())

    for _ in range(r.randint(1, 6)):
        say(r.choice(PROSE) + r.choice([" ", "\n", "\n\n"]))
        kind = r.choice([*ENTITIES, *["nothing"] * len(ENTITIES)])
        if kind == "nothing":
            say(negative(r))
        else:
            said, frame = ENTITIES[kind](r)
            before, after = frame.split("{}")
            say(before)
            labels.append((at, at + len(said.encode()), kind))
            say(said + after)
        say(r.choice([". ", "\n", " — ", ", "]))
    return "".join(pieces), labels


def labelled(count: int, seed: int = 0) -> list[tuple[str, list[Label]]]:
    """Documents with what is to be found in them."""
    r = random.Random(seed)
    return [document(r) for _ in range(count)]
