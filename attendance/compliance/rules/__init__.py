"""Pure arithmetic of compliance: weeks, absences, the hours case, severities."""
