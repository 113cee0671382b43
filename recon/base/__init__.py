"""What everything stands on: settings, files that are whole or not there, progress, devices, provenance."""
