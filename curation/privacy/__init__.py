"""Privacy: personal data and secrets in texts, found as spans, and redacted or ruled on by what was found."""

from curation.privacy.evidence import PERSONAL_DATA, personal_data
from curation.privacy.masking import masked, masked_text
from curation.privacy.rules import PrivacyRules, redactions
from curation.privacy.settings import KINDS, FindSettings, PrivacySettings

__all__ = [
    "KINDS",
    "PERSONAL_DATA",
    "FindSettings",
    "PrivacyRules",
    "PrivacySettings",
    "masked",
    "masked_text",
    "personal_data",
    "redactions",
]
