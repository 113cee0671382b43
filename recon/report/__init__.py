"""`recon report`: a run as one page for any browser."""
