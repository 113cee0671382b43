"""`recon learn`, `recon complete`: spaces of functions, by hypernetworks."""
