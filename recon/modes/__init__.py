"""`recon fit`: one file a mode, each the way of a signal's files to fitted ones, on one screen."""
