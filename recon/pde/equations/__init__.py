"""One file an equation: its terms and its closed forms."""
