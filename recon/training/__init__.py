"""One loop for every task: it knows none of them, and no file format."""
