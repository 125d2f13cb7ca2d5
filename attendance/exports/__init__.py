"""What leaves the clinic as files: the tables of docs/import.md, sessions and cases."""
