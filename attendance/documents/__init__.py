"""Papers that leave the clinic: what they say, and how they are written as PDF."""
