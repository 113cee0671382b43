"""`recon fit`: one file a mode, each the way of files to fitted ones, on one screen."""
