"""What each rule finds in facts already read, one module for each kind of fact.

A finder of a course is pure: it takes the night, the course and what was read about it. A finder of
papers, places or rosters reads its rows itself, in one statement for any number of clinics.
"""
