"""The funnel: what of each source came through, what did not, at which step and why, as numbers and as a page.

Nothing is decided here. Every figure is counted from the tables of curation as they stand, and the books of each source
and step must balance: in = kept + dropped + failed. Text is read of the examples alone.
"""

from curation.funnel.report import FunnelSettings, Report, report
from curation.funnel.steps import FUNNEL, faults, funnel

__all__ = ["FUNNEL", "FunnelSettings", "Report", "faults", "funnel", "report"]
