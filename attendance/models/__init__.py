from attendance.models.cases import Flag, OutreachAttempt, WeekNote
from attendance.models.imports import DataImport
from attendance.models.records import AttendanceRecord, CreditRule
from attendance.models.reports import (
    ComplianceReport,
    JobTick,
    NightlyRun,
    ReportDelivery,
)
from attendance.models.standards import AbsenceRule, Standard, WeekResult

__all__ = [
    "AbsenceRule",
    "AttendanceRecord",
    "ComplianceReport",
    "CreditRule",
    "DataImport",
    "Flag",
    "JobTick",
    "NightlyRun",
    "OutreachAttempt",
    "ReportDelivery",
    "Standard",
    "WeekNote",
    "WeekResult",
]
