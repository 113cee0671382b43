"""One training loop for every task; it knows no particular task and no file format."""
