"""Pictures without a window: cameras, ray casting, palettes, plots."""
