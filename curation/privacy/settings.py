"""What privacy can be told: whose telephone numbers and national ids are looked for, and what is redacted.

All kinds are always looked for, because what becomes of them is decided later and may change in seconds; only whose
national forms count is a question of measuring.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["email", "phone", "ip", "iban", "credit_card", "national_id", "secret"]

KINDS: tuple[Kind, ...] = ("email", "phone", "ip", "iban", "credit_card", "national_id", "secret")
"""What is found."""

COUNTRIES = ("BE", "BR", "CA", "CH", "CN", "DE", "ES", "FR", "GB", "IN", "IT", "NL", "PL", "SE", "US")
"""Countries whose national ids are known."""


@dataclass(frozen=True)
class FindSettings:
    """Whose forms are looked for, as ISO 3166 codes of countries; international forms always are."""

    # Telephone numbers as they are written within these countries.
    phone_regions: tuple[str, ...] = ("US", "GB", "DE", "FR", "ES", "IT", "NL")
    # National ids of these countries.
    national_ids: tuple[str, ...] = COUNTRIES

    def __post_init__(self) -> None:
        """Raises ValueError for a country that is not known."""
        for name in ("phone_regions", "national_ids"):
            for country in getattr(self, name):
                if len(country) != 2 or not country.isascii() or not country.isupper():
                    raise ValueError(f"{name}: {country!r} is no ISO 3166 code; write it as `DE`")
        strange = sorted(set(self.national_ids) - set(COUNTRIES))
        if strange:
            raise ValueError(
                f"national_ids: those of {', '.join(strange)} are not known; known are {', '.join(COUNTRIES)}"
            )


@dataclass(frozen=True)
class PrivacySettings:
    """What becomes of personal data, and what is looked for."""

    # The kinds that the corpus has placeholders for; all others stay as they are.
    redact: tuple[Kind, ...] = KINDS
    # What is looked for.
    find: FindSettings = field(default_factory=FindSettings)
