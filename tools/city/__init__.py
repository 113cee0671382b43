"""A made-up city with known surfaces, and the aircraft that scans it."""
