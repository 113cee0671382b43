"""Scans: reading them, and making them ready to be fitted."""
