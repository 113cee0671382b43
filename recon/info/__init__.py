"""`recon info`: what a file holds, and what is wrong with it."""
