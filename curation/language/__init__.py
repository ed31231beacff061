"""Language: what a content is written in, how sure that is, and in which scripts."""

from curation.language.evidence import LANGUAGE, language
from curation.language.rules import LanguageRules
from curation.language.settings import LanguageSettings

__all__ = ["LANGUAGE", "LanguageRules", "LanguageSettings", "language"]
