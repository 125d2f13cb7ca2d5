"""The patient's page: everything about one episode of care, on the page of the episode."""
