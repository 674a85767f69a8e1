"""What am I exposed to, and how much of it do I want to keep."""

from stormsail.audit.advice import check_tolerance, coverage_for_floor, value_after_fall
from stormsail.audit.exposure import audit
from stormsail.audit.symbols import check_symbols
from stormsail.audit.tolerance import Tolerance, tolerance_from_text
from stormsail.audit.types import AssetExposure, ExposureReport, Risk

__all__ = [
    "AssetExposure",
    "ExposureReport",
    "Risk",
    "Tolerance",
    "audit",
    "check_symbols",
    "check_tolerance",
    "coverage_for_floor",
    "tolerance_from_text",
    "value_after_fall",
]
