"""Images, sounds and films: their files, and fields fitted to them."""
