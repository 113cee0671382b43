"""`recon fit`: one file a mode, from input files to fitted ones."""
