"""`recon batch`: every scan below a folder, here or on a cluster."""
