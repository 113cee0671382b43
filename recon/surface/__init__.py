"""Scans to meshes: `conversion` from file to file, `pipeline` from points to a field."""
