"""What each process makes of Unicode once, half a second's worth: who imports this has it, and so has each fork."""

from curation.decontamination.characters import character_table
from curation.deduplication.unicode_tables import unicode_tables
from curation.quality import QualitySettings
from curation.quality_characters import flags_of

character_table()
unicode_tables()
flags_of(QualitySettings().bullets)
