"""Weeks of the demo clinic played day by day, to see what its rules ask of the people there.

Nothing here judges: the days are judged by the production evaluation, make-ups are found and booked
by the production services, cases are closed by the verbs of the case page. Only what patients do
and how much a day's work is are drawn. A play runs in one transaction that is rolled back.
"""
