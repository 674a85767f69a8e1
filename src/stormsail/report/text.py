"""Everything that can be printed on a terminal."""

from stormsail.report.text_audit import print_audit
from stormsail.report.text_choose import print_shortlist
from stormsail.report.text_findings import print_findings
from stormsail.report.text_plan import print_plan
from stormsail.report.text_size import print_contests
from stormsail.report.text_venues import print_venues

__all__ = ["print_audit", "print_contests", "print_findings", "print_plan", "print_shortlist", "print_venues"]
