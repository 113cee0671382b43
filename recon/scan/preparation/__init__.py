"""From the points of a file to clean, oriented points, and to which side of them is solid."""
