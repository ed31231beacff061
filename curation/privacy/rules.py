"""What is decided on personal data: which spans are redacted, and which documents are better dropped than mended."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curation.privacy.settings import PrivacySettings
from curation.rules import Rule


@dataclass(frozen=True)
class PrivacyRules:
    """The thresholds."""

    # Most secrets; null: no limit.
    max_secrets: int | None = 0
    # Most personal data of all kinds together; null: no limit.
    max_entities: int | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules on the table `personal_data`."""
        limits = {"secrets": self.max_secrets, "entities": self.max_entities}
        return tuple(
            Rule(f"privacy.max_{column}", "personal_data", column, ">", limit)
            for column, limit in limits.items()
            if limit is not None
        )


def redactions(evidence: pl.LazyFrame, settings: PrivacySettings) -> pl.LazyFrame:
    """The evidence with the spans of those kinds alone that are redacted; what could not be measured keeps its null."""
    wanted = pl.element().struct.field("kind").is_in(list(settings.redact))
    return evidence.with_columns(spans=pl.col("spans").list.filter(wanted))
